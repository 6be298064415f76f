#!lua
--[[ node/redis/lua/publish-2.lua: publish a region's board, all of it or what changed, unless a newer one stands (R16, R23).
  O(modes log modes) of those named.
  KEYS[1] the board (sorted set)   [2] 'term version' of what is published (string); both in one slot
  ARGV[1] region term   [2] version   [3] how many modes the board then has   [4] 'term version' that this changes, ''
  where it is all   [5] how many modes are gone, n   then n modes   then of each that is set: players, mode   Clock: none
  Returns 'published', 'superseded' (a newer one stands), or 'all wanted': something else stands than what this changes. ]]
local term, version, modes = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local since, gone = ARGV[4], tonumber(ARGV[5])
local standing = redis.call('GET', KEYS[2])
if standing then
  local standingTerm, standingVersion = string.match(standing, '^(%d+) (%d+)$')
  standingTerm, standingVersion = tonumber(standingTerm), tonumber(standingVersion)
  if term < standingTerm or (term == standingTerm and version < standingVersion) then return 'superseded' end
end
if since == '' then
  redis.call('DEL', KEYS[1])
elseif standing ~= since then
  return 'all wanted'
end
local ARGUMENTS_MAX = 4000 -- unpack() gives some 8,000 values at most
local FIRST = 6
local function each(from, last, call)
  for at = from, last, ARGUMENTS_MAX do call(unpack(ARGV, at, math.min(at + ARGUMENTS_MAX - 1, last))) end
end
each(FIRST, FIRST + gone - 1, function(...) redis.call('ZREM', KEYS[1], ...) end)
each(FIRST + gone, #ARGV, function(...) redis.call('ZADD', KEYS[1], ...) end)
if redis.call('ZCARD', KEYS[1]) ~= modes then -- somebody else wrote there: the guard stays, so all of it comes next
  return 'all wanted'
end
redis.call('SET', KEYS[2], ARGV[1] .. ' ' .. ARGV[2])
return 'published'
