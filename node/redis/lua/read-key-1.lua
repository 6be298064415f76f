#!lua flags=no-writes
--[[ node/redis/lua/read-key-1.lua: read the cluster's key (R12). O(1).
  KEYS[1] the cluster's key, or a tag's records, which have it too (hash)
  ARGV[1] run   Clock: none
  Returns {key | nil, '1' | nil}: the key, and whether the founding is complete.                                     ]]
-- with run
if isOtherRun(ARGV[1]) then return OTHER_RUN end
return redis.call('HMGET', KEYS[1], 'key', 'founded')
