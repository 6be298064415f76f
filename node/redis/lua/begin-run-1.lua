#!lua flags=allow-oom
--[[ node/redis/lua/begin-run-1.lua: give the list a fresh history, which is a new run: the store lost something under the one
  that all believe in, and nobody was told (R15). O(1).
  KEYS[1] the list of members (hash, members.lua, key.lua)
  ARGV[1] run, with a history   [2] fresh nonce   Clock: none
  Returns nothing. Does nothing where the list is gone: who renews next writes it back, under a fresh history too.    ]]
-- with run
local other = isOtherRun(KEYS[1], ARGV[1])
if other then return other end
local standing = redis.call('HMGET', KEYS[1], 'generation', 'history')
if standing[2] then redis.call('HSET', KEYS[1], 'history', standing[1] .. '.' .. ARGV[2]) end
