#!lua flags=allow-oom
--[[ node/redis/lua/renew-1.lua: renew a member's lease and tell it the list (R7 to R10, R14). O(1) while nothing happens;
  O(members), and what they hold, where the list is told, somebody lapsed or joins, or somebody is accused.
  KEYS[1] the list of members (hash, members.lua)
  ARGV[1] run   [2] lease, ms   [3] incarnation   [4] member, JSON   [5] 1: joining   [6] epoch, [7] nonce it knows
  ARGV[8] fresh nonce   [9] revision it knows   [10] its licence, ms   [11] number of this renewal
  ARGV[12] accused: unheard   [13] found closed   [14] found closed, said again   [15] joiners it called; these four are
  incarnations, by spaces   ARGV[16] a clock for tests, else ''   [17] what it holds; absent: leave as it stands
  Clock: Redis' own
  Returns what newsFor() says, {'gone'}, {'late'} where a later renewal came before this one, {'renewed' | 'accused', '1' where it must name what it holds, revision of the
  modes' names} where nothing changed since that revision, or {'renewed' | 'accused' | 'expelled' | 'absent', …, …, list…}
  as answerList() says.                                                                                              ]]
-- with run members
if isOtherMaster(ARGV[1]) then return OTHER_RUN end
local list, mark, history, kept = readList(KEYS[1], ARGV[3])
local news = newsFor(ARGV[1], mark, history, kept)
if news then return news end
local key, run, leaseMs, own = KEYS[1], ARGV[1], tonumber(ARGV[2]), ARGV[3]
local member, isJoining, epoch, nonce = ARGV[4], ARGV[5] == '1', tonumber(ARGV[6]), ARGV[7]
local freshNonce, revision, licence, number = ARGV[8], tonumber(ARGV[9]), ARGV[10], tonumber(ARGV[11])
local accused, closed, closedStill, called, held = ARGV[12], ARGV[13], ARGV[14], ARGV[15], ARGV[17]
local now = readClock(ARGV[16])

-- R10: keeps whom this member accuses, now and the time before.
local function noteAccused(list)
  local isAccuser = list.accusers ~= '' and includes(list.accusers, own)
  if accused == '' and not isAccuser then return end
  local said = isAccuser and redis.call('HGET', key, 'a:' .. own) or '|'
  local before = string.match(said, '^(.*)|')
  if accused == '' and before == '' then
    redis.call('HDEL', key, 'a:' .. own)
    list.accusers = without(list.accusers, { [own] = true })
    return
  end
  redis.call('HSET', key, 'a:' .. own, accused .. '|' .. before)
  if not isAccuser then list.accusers = list.accusers .. own .. ' ' end
end

-- R10: who accuses whom twice running. Who joins neither accuses nor is accused.
local function accusersByName(list, isJoiner)
  local byName, accusers = {}, words(list.accusers)
  for place, said in ipairs(readFields(key, accusers, { 'a:' })) do
    local accuser = accusers[place]
    local latest, before = string.match(said, '^(.*)|(.*)$')
    for name in pairs(setOf(latest)) do
      if includes(before, name) and not isJoiner[accuser] and not isJoiner[name] and name ~= accuser then
        byName[name] = byName[name] or {}
        table.insert(byName[name], accuser)
      end
    end
  end
  return byName
end

-- R10: whether this member is marked: named by more than half of the others. The youngest are looked at first, and the
-- word of who is marked does not count, so of members that all fail to hear each other one is left.
local function isOwnMarked(list)
  if list.accusers == '' then return false end
  local isJoiner, isMarked = setOf(list.joiners), {}
  local byName, entries = accusersByName(list, isJoiner), readEntries(list)
  local others = #entries - #words(list.joiners) - 1
  for place = #entries, 1, -1 do
    local name, count = entries[place].name, 0
    for _, accuser in ipairs(byName[name] or {}) do
      if not isMarked[accuser] then count = count + 1 end
    end
    if count > 0 and count > others / 2 then
      isMarked[name] = true
      others = others - 1
    end
  end
  return isMarked[own] == true
end

local function addWord(field, prefix)
  local said = redis.call('HGET', key, field)
  if not said or string.sub(said, 1, #prefix) ~= prefix then said = prefix end
  if not includes(string.sub(said, #prefix + 1), own) then redis.call('HSET', key, field, said .. own .. ' ') end
end

-- R10: a closed port, said once. Its owner's next renewal takes it back.
local function noteClosed()
  for _, name in ipairs(words(closed)) do
    local isListed = name ~= own and redis.call('HEXISTS', key, 'l:' .. name) == 1
    if isListed then addWord('x:' .. name, run .. '|') end
  end
end

-- R10: and said again, under the same run: whoever has not renewed in between is dead.
local function expelClosed(list)
  local isOut = {}
  for _, name in ipairs(words(closedStill)) do
    local said = redis.call('HGET', key, 'x:' .. name)
    if said and string.sub(said, 1, #run + 1) == run .. '|' and includes(string.sub(said, #run + 2), own) then
      isOut[name] = true
    end
  end
  return next(isOut) ~= nil and expel(list, isOut)
end

-- Who joins is in once half of those who are in have called it back; with nobody else there, at once.
local function admit(list)
  if list.joiners == '' then return false end
  local isJoiner, isIn, isAdmitted, count = setOf(list.joiners), {}, {}, 0
  for _, name in ipairs(words(called)) do
    if isJoiner[name] and name ~= own then addWord('v:' .. name, '') end
  end
  for _, entry in ipairs(readEntries(list)) do
    if not isJoiner[entry.name] then isIn[entry.name], count = true, count + 1 end
  end
  for _, entry in ipairs(list.entries) do
    local name, calls = entry.name, 0
    if isJoiner[name] then
      for _, caller in ipairs(words(redis.call('HGET', key, 'v:' .. name) or '')) do
        if isIn[caller] then calls = calls + 1 end
      end
      if 2 * calls >= count then
        redis.call('HDEL', key, 'v:' .. name)
        isIn[name], isAdmitted[name], count = true, true, count + 1
      end
    end
  end
  list.joiners = without(list.joiners, isAdmitted)
  return next(isAdmitted) ~= nil
end

if not list or list.epoch < epoch then return { 'gone' } end
if list.own and number <= list.own.number then return { 'late' } end
observe(list, leaseMs, now)
local isChanged = list.epoch == epoch and nonce ~= '' and list.nonce ~= nonce -- R9: two lists under one number
isChanged = expelLapsed(list) or isChanged

if not list.own then
  local entries = readEntries(list)
  local isExpelled = includes(list.expelled, own)
  if isExpelled or not isJoining then
    if isChanged then raiseTo(list, list.epoch + 1, freshNonce) end
    writeList(list)
    return answerList(list, isExpelled and 'expelled' or 'absent', false)
  end
  list.own = { name = own, lease = 0, isExcused = false, number = 0 }
  entries[#entries + 1] = list.own
  list.joiners, isChanged = list.joiners .. own .. ' ', true
end

local isKnown, isNamed = list.revision == revision, false
if list.ownMember ~= member then
  redis.call('HSET', key, 'm:' .. own, member)
  isChanged = true
end
if held and (list.ownRun ~= run or redis.call('HGET', key, 'h:' .. own) ~= held) then
  redis.call('HSET', key, 'r:' .. own, run, 'h:' .. own, held)
  isNamed = true
elseif not list.ownRun then
  redis.call('HSET', key, 'r:' .. own, '', 'h:' .. own, '')
end
if list.ownClosed then redis.call('HDEL', key, 'x:' .. own) end

noteAccused(list)
local isMarked = isOwnMarked(list)
list.own.licence, list.own.number, list.own.isTouched = licence, number, true
if not isMarked then list.own.lease, list.own.isExcused = list.clock + leaseMs, false end
if closed ~= '' then noteClosed() end
if closedStill ~= '' then isChanged = expelClosed(list) or isChanged end
isChanged = admit(list) or isChanged

if isChanged then
  raiseTo(list, list.epoch + 1, freshNonce)
elseif isNamed then
  list.revision, list.isRaised = list.revision + 1, true
end
local isUsual = not list.entries and not list.isRaised and list.accusers == list.accusersBefore
if isUsual then writeLease(list) else writeList(list) end
local kind, mustName = isMarked and 'accused' or 'renewed', not held and list.ownRun ~= run
-- Whoever accuses waits for the licence that the accused named last, so it is told the list (R10, R14).
if isKnown and not isChanged and not isNamed and closed == '' then
  return { kind, mustName and '1' or '0', list.modesRevision }
end
return answerList(list, kind, mustName)
