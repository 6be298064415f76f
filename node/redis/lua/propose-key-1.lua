#!lua flags=allow-oom
--[[ node/redis/lua/propose-key-1.lua: first step of the founding (R12): the cluster's key, unless one stands. O(1).
  KEYS[1] the cluster's key (hash)
  ARGV[1] run   [2] key proposed   Clock: none
  Returns the key that stands.                                                                                       ]]
-- with run
if isOtherRun(ARGV[1]) then return OTHER_RUN end
redis.call('HSETNX', KEYS[1], 'key', ARGV[2])
return redis.call('HGET', KEYS[1], 'key')
