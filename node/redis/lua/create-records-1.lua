#!lua flags=allow-oom
--[[ node/redis/lua/create-records-1.lua: second step of the founding (R12): a tag's records that are not there, empty,
  and the cluster's key beside them. O(partitions).
  KEYS[1] the tag's records (hash, records.lua)
  ARGV[1] run   [2] key   [3 …] partitions   Clock: none
  Returns nothing.                                                                                                   ]]
-- with run records
if isOtherRun(ARGV[1]) then return OTHER_RUN end
redis.call('HSETNX', KEYS[1], 'key', ARGV[2])
for place = 3, #ARGV do redis.call('HSETNX', KEYS[1], 'c' .. ARGV[place], EMPTY) end
