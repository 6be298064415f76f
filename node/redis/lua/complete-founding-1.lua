#!lua flags=allow-oom
--[[ node/redis/lua/complete-founding-1.lua: last step of the founding, and what writes it back where it was lost (R12):
  from here on an absent record is a loss. O(1).
  KEYS[1] the cluster's key (hash)
  ARGV[1] run   [2] key, unless one stands   Clock: none
  Returns nothing.                                                                                                   ]]
-- with run
if isOtherRun(ARGV[1]) then return OTHER_RUN end
redis.call('HSETNX', KEYS[1], 'key', ARGV[2])
redis.call('HSET', KEYS[1], 'founded', '1')
