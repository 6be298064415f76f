#!lua flags=no-writes
--[[ node/redis/lua/read-copy-1.lua: read the key that lies beside a tag's records (R12). O(1).
  KEYS[1] the tag's records (hash, records.lua)
  ARGV[1] run: only its masters count   Clock: none
  Returns {key | nil, generation | nil}.                                                                             ]]
-- with run
if isOtherMaster(ARGV[1]) then return OTHER_RUN end
return redis.call('HMGET', KEYS[1], 'key', 'generation')
