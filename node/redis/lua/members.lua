--[[ Shared by the scripts of the list of members (R7 to R11): what its hash holds.
  epoch nonce revision      clock  observed milliseconds      time  of the last call, by Redis' clock, milliseconds
  earliest  by the observed clock: no lease lapses before; so that a renewal need not look at all of them
  names     incarnations in the order of joining, each followed by a space      expelled  the same, the latest last
  joiners   who is listed and owns nothing until the others have called it back      accusers  who has a field a:
  l:<name>  lease by the observed clock, 1 where it was excused after a silence of all (R7), its licence, ms (R14), the
            number of its last renewal: '12000 0 400 57'
  m:<name>  the member as JSON      h:<name>  what it holds (R15)      r:<name>  the run under which it named that
  a:<name>  whom it accused with its last renewal | with the one before; only where there is somebody
  x:<name>  who found its port closed since it renewed last: the run | incarnations (R10)
  v:<name>  of a joiner: who called it back      modes…  see modes.lua                                               ]]
local EXPELLED_MAX = 256
local FIELDS_MAX = 4000 -- unpack() gives some 8,000 values at most
local NEVER = 2 ^ 53 - 1

local function words(line)
  local found = {}
  for word in string.gmatch(line, '%S+') do found[#found + 1] = word end
  return found
end

local function setOf(line)
  local found = {}
  for word in string.gmatch(line, '%S+') do found[word] = true end
  return found
end

local function includes(line, word)
  return string.find(' ' .. line .. ' ', ' ' .. word .. ' ', 1, true) ~= nil
end

-- The line without these words; each is followed by a space.
local function without(line, isOut)
  local kept = {}
  for _, word in ipairs(words(line)) do
    if not isOut[word] then kept[#kept + 1] = word .. ' ' end
  end
  return table.concat(kept)
end

-- The values of these fields of every name, name by name, field by field.
local function readFields(key, names, prefixes)
  local values, fields = {}, {}
  for place, name in ipairs(names) do
    for _, prefix in ipairs(prefixes) do fields[#fields + 1] = prefix .. name end
    if #fields >= FIELDS_MAX - 4 or place == #names then
      for _, value in ipairs(redis.call('HMGET', key, unpack(fields))) do values[#values + 1] = value end
      fields = {}
    end
  end
  return values
end

-- Milliseconds of Redis' clock; tests bring one of their own.
local function readClock(override)
  if override ~= '' then return tonumber(override) end
  local now = redis.call('TIME')
  return tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000)
end

local function entryOf(name, state)
  local lease, excused, licence, number = string.match(state, '^(%d+) (%d) (%d+) ?(%d*)$')
  number = tonumber(number) or 0 -- of a node that does not number its renewals
  return { name = name, lease = tonumber(lease), isExcused = excused == '1', licence = licence, number = number }
end

local function emptyList(key, now)
  return {
    key = key, epoch = 0, nonce = '', revision = 0, clock = 0, time = now, earliest = NEVER,
    joiners = '', accusers = '', entries = {}, expelled = '', gone = {}, modesRevision = '0',
  }
end

-- The head of the list, and with it what is kept of one member, '' for none; then the mark, the history and the key that
-- lie beside it. nil where there is no list. `entries` and `expelled` are read when they are needed: readEntries().
local function readList(key, own)
  local found = redis.call('HMGET', key, 'epoch', 'nonce', 'revision', 'clock', 'time', 'earliest', 'joiners', 'accusers',
    'l:' .. own, 'm:' .. own, 'r:' .. own, 'x:' .. own, 'modesRevision', 'mark', 'history', 'key')
  if not found[1] then return nil, found[14], found[15], found[16] end
  return {
    key = key, epoch = tonumber(found[1]), nonce = found[2], revision = tonumber(found[3]), clock = tonumber(found[4]),
    time = tonumber(found[5]), earliest = tonumber(found[6]), joiners = found[7],
    accusers = found[8], joinersBefore = found[7], accusersBefore = found[8], gone = {},
    own = found[9] and entryOf(own, found[9]) or nil, ownMember = found[10], ownRun = found[11], ownClosed = found[12],
    modesRevision = found[13] or '0',
  }, found[14], found[15], found[16]
end

-- All members in the order of joining.
local function readEntries(list)
  if list.entries then return list.entries end
  local found = redis.call('HMGET', list.key, 'names', 'expelled')
  list.entries, list.namesBefore = {}, found[1]
  list.expelled, list.expelledBefore = found[2], found[2]
  local names = words(found[1])
  local states = readFields(list.key, names, { 'l:' })
  for place, name in ipairs(names) do
    local isOwn = list.own and list.own.name == name
    list.entries[place] = isOwn and list.own or entryOf(name, states[place])
  end
  return list.entries
end

local function leaseOf(entry)
  return text(entry.lease) .. (entry.isExcused and ' 1 ' or ' 0 ') .. entry.licence .. ' ' .. text(entry.number)
end

-- What is usual: one lease is renewed, and nothing else has changed.
local function writeLease(list)
  local key, own, clock, time = list.key, list.own, text(list.clock), text(list.time)
  redis.call('HSET', key, 'clock', clock, 'time', time, 'l:' .. own.name, leaseOf(own))
  if own.lease < list.earliest then redis.call('HSET', key, 'earliest', text(own.lease)) end
end

local function writeList(list)
  local key, fields = list.key, { 'clock', text(list.clock), 'time', text(list.time) }
  local function add(field, value) fields[#fields + 1], fields[#fields + 2] = field, value end
  if list.isRaised then
    add('epoch', text(list.epoch))
    add('nonce', list.nonce)
    add('revision', text(list.revision))
  end
  if list.joiners ~= list.joinersBefore then add('joiners', list.joiners) end
  if list.accusers ~= list.accusersBefore then add('accusers', list.accusers) end
  local earliest, names = list.entries and NEVER or list.earliest, {}
  for place, entry in ipairs(list.entries or { list.own }) do
    earliest = math.min(earliest, entry.lease)
    names[place] = entry.name .. ' '
    if entry.isTouched then add('l:' .. entry.name, leaseOf(entry)) end
    if #fields >= FIELDS_MAX - 4 then
      redis.call('HSET', key, unpack(fields))
      fields = { 'clock', text(list.clock) }
    end
  end
  add('earliest', text(earliest))
  if list.entries then
    local named = table.concat(names)
    if named ~= list.namesBefore then add('names', named) end
    if list.expelled ~= list.expelledBefore then add('expelled', list.expelled) end
  end
  redis.call('HSET', key, unpack(fields))
  for _, name in ipairs(list.gone) do
    redis.call('HDEL', key, 'l:' .. name, 'm:' .. name, 'r:' .. name, 'h:' .. name, 'a:' .. name, 'x:' .. name, 'v:' .. name)
  end
end

-- R7: no call moves the clock by more than a third of a lease, and a silence of all is nobody's death. An excuse never
-- shortens a lease: who only looks at the list may bring another length, which it is told after.
local function observe(list, leaseMs, now)
  local passed = now - list.time
  list.clock = list.clock + math.min(math.max(passed, 0), math.floor(leaseMs / 3))
  list.time = now
  if passed <= leaseMs then return end
  for _, entry in ipairs(readEntries(list)) do
    if not entry.isExcused then
      entry.isExcused, entry.isTouched, entry.lease = true, true, math.max(entry.lease, list.clock + leaseMs)
    end
  end
end

local function raiseTo(list, epoch, nonce)
  list.epoch, list.nonce, list.revision, list.isRaised = epoch, nonce, list.revision + 1, true
end

-- Takes members off the list: those of whom `isOut` says so. Whether there were any.
local function takeOff(list, isOut)
  local kept, isChanged = {}, false
  for _, entry in ipairs(readEntries(list)) do
    if isOut[entry.name] then
      list.gone[#list.gone + 1] = entry.name
      if entry == list.own then list.own = nil end
      isChanged = true
    else
      kept[#kept + 1] = entry
    end
  end
  list.entries = kept
  if isChanged then
    list.joiners, list.accusers = without(list.joiners, isOut), without(list.accusers, isOut)
  end
  return isChanged
end

-- R8: takes members off and names them expelled.
local function expel(list, isOut)
  for _, entry in ipairs(readEntries(list)) do
    if isOut[entry.name] then list.expelled = list.expelled .. entry.name .. ' ' end
  end
  local names = words(list.expelled)
  if #names > EXPELLED_MAX then
    list.expelled = table.concat(names, ' ', #names - EXPELLED_MAX + 1) .. ' '
  end
  return takeOff(list, isOut)
end

local function expelLapsed(list)
  if list.earliest >= list.clock then return false end
  local isLapsed = {}
  for _, entry in ipairs(readEntries(list)) do
    if entry.lease < list.clock then isLapsed[entry.name] = true end
  end
  return expel(list, isLapsed)
end

-- { kind, '1' where it must name what it holds, revision of the modes' names (R28), 0 for none, revision, epoch, nonce,
-- expelled, joiners, then of each member: JSON, run, held, lease as in l: }; written before.
local function answerList(list, kind, mustName)
  local names = {}
  for place, entry in ipairs(readEntries(list)) do names[place] = entry.name end
  local answer = {
    kind, mustName and '1' or '0', list.modesRevision, text(list.revision), text(list.epoch), list.nonce, list.expelled,
    list.joiners,
  }
  for _, value in ipairs(readFields(list.key, names, { 'm:', 'r:', 'h:', 'l:' })) do answer[#answer + 1] = value end
  return answer
end
