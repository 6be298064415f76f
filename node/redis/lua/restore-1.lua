#!lua flags=allow-oom
--[[ node/redis/lua/restore-1.lua: write a view back where the list is gone or older (R9). O(members).
  KEYS[1] the list of members (hash, members.lua)
  ARGV[1] run   [2] lease, ms   [3] epoch, [4] nonce of the view   [5] fresh nonce   [6] expelled, by spaces
  ARGV[7] a clock for tests, else ''   then of each member: incarnation, JSON, '1' where it joins   Clock: Redis' own
  Returns nothing. Under the same epoch with another nonce it raises above both.                                     ]]
-- with run members
if isOtherRun(ARGV[1]) then return OTHER_RUN end
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
local revision, clock, time = 0, 0, now
if list then
  observe(list, leaseMs, now)
  revision, clock, time = list.revision, list.clock, list.time
end
redis.call('DEL', key)
list = emptyList(key, time)
list.revision, list.clock, list.expelled = revision, clock, ARGV[6]
for place = 8, #ARGV, 3 do
  local name = ARGV[place]
  local entry = { name = name, lease = clock + leaseMs, isExcused = false, isTouched = true, licence = '0' }
  list.entries[#list.entries + 1] = entry
  if ARGV[place + 2] == '1' then list.joiners = list.joiners .. name .. ' ' end
  redis.call('HSET', key, 'm:' .. name, ARGV[place + 1], 'r:' .. name, '', 'h:' .. name, '')
end
raiseTo(list, epoch, nonce)
writeList(list)
