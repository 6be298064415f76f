#!lua flags=allow-oom
--[[ node/redis/lua/create-records-1.lua: second step of the founding (R12): a tag's records that are not there, empty,
  and the cluster's key beside them. O(partitions).
  KEYS[1] the tag's records (hash, records.lua)
  ARGV[1] run   [2] key   [3] its generation   [4 …] partitions   Clock: none
  Returns nothing.                                                                                                   ]]
-- with run records
local other = isOtherRun(KEYS[1], ARGV[1])
if other then return other end
copyKey(KEYS[1], ARGV[1], ARGV[2], ARGV[3])
for place = 4, #ARGV do redis.call('HSETNX', KEYS[1], 'c' .. ARGV[place], EMPTY) end
