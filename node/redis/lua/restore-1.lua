#!lua flags=allow-oom
--[[ node/redis/lua/restore-1.lua: write a view back, with the key, where the list is gone or older (R9).
  O(members).
  KEYS[1] the list of members (hash, members.lua, key.lua)
  ARGV[1] run   [2] lease, ms   [3] epoch, [4] nonce of the view   [5] fresh nonce   [6] expelled, by spaces
  ARGV[7] a clock for tests, else ''   [8] key   [9] its generation
  then of each member: incarnation, JSON, '1' where it joins   Clock: Redis' own
  Returns nothing. Under the same epoch with another nonce it raises above both.                                     ]]
-- with run members key
local other = isOtherRun(KEYS[1], ARGV[1])
if other then return other end
local key, leaseMs, epoch, nonce, freshNonce = KEYS[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4], ARGV[5]
local now = readClock(ARGV[7])

local list = readList(key, '')
if list and list.epoch >= epoch then
  if list.epoch == epoch and nonce ~= '' and list.nonce ~= nonce then
    raiseTo(list, epoch + 1, freshNonce)
    writeList(list)
  end
  return
end
local generation = math.max(tonumber(ARGV[9]), tonumber(redis.call('HGET', key, 'generation') or '0'))
replaceList(key, list, leaseMs, now, epoch, nonce, ARGV[6], ARGV, 10)
writeKey(key, markOf(ARGV[1]), ARGV[8], generation, freshNonce)
