#!lua
--[[ node/redis/lua/publish-2.lua: replace a region's published board, unless a newer one stands (R23). O(modes log modes).
  KEYS[1] the board (sorted set)   [2] 'term version' of what is published (string); both in one slot
  ARGV[1] region term   [2] version   then of each mode: players, mode   Clock: none
  Returns 1 where it was replaced, else 0.                                                                           ]]
local term, version = tonumber(ARGV[1]), tonumber(ARGV[2])
local standing = redis.call('GET', KEYS[2])
if standing then
  local standingTerm, standingVersion = string.match(standing, '^(%d+) (%d+)$')
  standingTerm, standingVersion = tonumber(standingTerm), tonumber(standingVersion)
  if term < standingTerm or (term == standingTerm and version <= standingVersion) then return 0 end
end
redis.call('DEL', KEYS[1])
local ARGUMENTS_MAX = 4000 -- unpack() gives some 8,000 values at most
for from = 3, #ARGV, ARGUMENTS_MAX do
  redis.call('ZADD', KEYS[1], unpack(ARGV, from, math.min(from + ARGUMENTS_MAX - 1, #ARGV)))
end
redis.call('SET', KEYS[2], ARGV[1] .. ' ' .. ARGV[2])
return 1
