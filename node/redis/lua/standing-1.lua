#!lua flags=no-writes
--[[ node/redis/lua/standing-1.lua: who has these records, without taking them. O(partitions).
  KEYS[1] the tag's records (hash, records.lua)
  ARGV[1] run   [2 …] partitions   Clock: none
  Returns the states as in records.lua; nil for a record that is not there.                                          ]]
-- with run
local other = isOtherRun(KEYS[1], ARGV[1])
if other then return other end
local names = {}
for place = 2, #ARGV do names[place - 1] = 'c' .. ARGV[place] end
return redis.call('HMGET', KEYS[1], unpack(names))
