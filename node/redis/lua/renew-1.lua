#!lua flags=allow-oom
--[[ node/redis/lua/renew-1.lua: renew a member's lease and tell it the list (R7 to R10). O(members), and what they hold
  where the list is told.
  KEYS[1] the list of members (hash, members.lua)
  ARGV[1] run   [2] lease, ms   [3] incarnation   [4] member, JSON   [5] 1: joining   [6] epoch, [7] nonce it knows
  ARGV[8] fresh nonce   [9] revision it knows   [10] what it holds   [11] accused, [12] refused: incarnations, by spaces
  ARGV[13] a clock for tests, else ''   Clock: Redis' own
  Returns {'gone'}, {'renewed'} where nothing changed since that revision, or {'renewed' | 'expelled' | 'absent', list…}
  as answerList() says; behind 'renewed' stands the revision of the modes' names (R28), 0 where there are none.     ]]
-- with run members
if isOtherRun(ARGV[1]) then return OTHER_RUN end
local key, run, leaseMs, own = KEYS[1], ARGV[1], tonumber(ARGV[2]), ARGV[3]
local member, isJoining, epoch, nonce = ARGV[4], ARGV[5] == '1', tonumber(ARGV[6]), ARGV[7]
local freshNonce, revision, held, accused, refused = ARGV[8], tonumber(ARGV[9]), ARGV[10], ARGV[11], ARGV[12]
local now = readClock(ARGV[13])

local list = readList(key)
local isFirst = not list and isJoining and epoch == 0
if not isFirst and (not list or list.epoch < epoch) then return { 'gone' } end
list = list or emptyList(now)
observe(list, leaseMs, now)
local isChanged = list.epoch == epoch and nonce ~= '' and list.nonce ~= nonce -- R9: two lists under one number

local isLapsed = {}
for _, entry in ipairs(list.entries) do isLapsed[entry.name] = entry.lease < list.clock end
isChanged = expel(list, isLapsed) or isChanged

local entry
for _, each in ipairs(list.entries) do
  if each.name == own then entry = each end
end
local isExpelled = not entry and includes(list.expelled, own)
local before = { false, false, false }
if entry then
  before = redis.call('HMGET', key, 'm:' .. own, 'r:' .. own, 'h:' .. own)
elseif isJoining and not isExpelled then
  entry = { name = own, accused = '', before = '' }
  list.entries[#list.entries + 1] = entry
else
  if isChanged then raiseTo(list, list.epoch + 1, freshNonce) end
  writeList(key, list)
  return answerList(key, list, isExpelled and 'expelled' or 'absent')
end

local isKnown = list.revision == revision
local isTold = before[2] ~= run or before[3] ~= held
isChanged = before[1] ~= member or isChanged
if before[1] ~= member or isTold then
  redis.call('HSET', key, 'm:' .. own, member, 'r:' .. own, run, 'h:' .. own, held)
end
entry.lease, entry.isExcused, entry.isTouched = list.clock + leaseMs, false, true
entry.accused, entry.before = accused, entry.accused

-- R10: a refused connection shortens a lease; a living member renews and nothing happens.
local short = list.clock + math.floor(leaseMs / 2) + math.floor(leaseMs / 6)
for _, other in ipairs(list.entries) do
  if other.name ~= own and includes(refused, other.name) and other.lease > short then
    other.lease, other.isTouched = short, true
  end
end

-- R10: whom more than half of the others name twice running is expelled; one alone expels nobody.
local isCondemned = {}
for _, target in ipairs(list.entries) do
  local name = target.name
  if name ~= own and includes(entry.accused, name) and includes(entry.before, name) then
    local accusers = 0
    for _, other in ipairs(list.entries) do
      if other.name ~= name and includes(other.accused, name) and includes(other.before, name) then
        accusers = accusers + 1
      end
    end
    isCondemned[name] = accusers > 1 and accusers > (#list.entries - 1) / 2
  end
end
isChanged = expel(list, isCondemned) or isChanged

if isChanged then
  raiseTo(list, list.epoch + 1, freshNonce)
elseif isTold then
  list.revision = list.revision + 1
end
writeList(key, list)
local modesRevision = redis.call('HGET', key, 'modesRevision') or '0'
if isKnown and not isChanged and not isTold then return { 'renewed', modesRevision } end
local answer = answerList(key, list, 'renewed')
table.insert(answer, 2, modesRevision)
return answer
