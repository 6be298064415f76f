#!lua flags=allow-oom
--[[ node/redis/lua/found-1.lua: found the cluster: its key and an empty list, where neither stands (R12). O(1).
  KEYS[1] the list of members (hash, members.lua, key.lua)
  ARGV[1] run: its masters and its mark count   [2] key   [3] generation   [4] epoch   [5] fresh nonce
  ARGV[6] 1: from a copy, so that a list without a key, as a former release left it, stays   [7] a clock for tests, else ''
  Clock: Redis' own
  Returns the history under which that key stands, founded now or before; nil where another key or a list stands.     ]]
-- with run members key
if isOtherMaster(ARGV[1]) then return OTHER_RUN end
local key, mark = KEYS[1], markOf(ARGV[1])
local standing = redis.call('HMGET', key, 'mark', 'history')
if standing[1] then return standing[1] == mark and standing[2] or false end
local list = readList(key, '')
if list and ARGV[6] ~= '1' then return false end
if not list then
  list = emptyList(key, readClock(ARGV[7]))
  list.epoch, list.nonce, list.isRaised = tonumber(ARGV[4]), ARGV[5], true
  writeList(list)
end
writeKey(key, mark, ARGV[2], tonumber(ARGV[3]), ARGV[5])
return redis.call('HGET', key, 'history')
