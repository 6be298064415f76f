--[[ Shared by the scripts of the list of members (R7 to R11): what its hash holds.
  epoch nonce revision      clock  observed milliseconds      time  of the last call, by Redis' clock, milliseconds
  names     incarnations in the order of joining, each followed by a space      expelled  the same, the latest last
  l:<name>  lease by the observed clock, and 1 where it was excused after a silence of all (R7): '12000 0'
  m:<name>  the member as JSON      r:<name>  the run under which it renewed last      h:<name>  what it holds (R15)
  a:<name>  whom it accused with its last renewal | with the one before                                              ]]
local EXPELLED_MAX = 256
local FIELDS_MAX = 4000 -- unpack() gives some 8,000 values at most

local function words(line)
  local found = {}
  for word in string.gmatch(line, '%S+') do found[#found + 1] = word end
  return found
end

local function includes(line, word)
  return string.find(' ' .. line .. ' ', ' ' .. word .. ' ', 1, true) ~= nil
end

-- The values of these fields of every name, field by field, name by name.
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

local function emptyList(now)
  return { epoch = 0, nonce = '', revision = 0, clock = 0, time = now, entries = {}, expelled = '', gone = {} }
end

-- nil where there is none.
local function readList(key)
  local found = redis.call('HMGET', key, 'epoch', 'nonce', 'revision', 'clock', 'time', 'names', 'expelled')
  if not found[1] then return nil end
  local list = emptyList(tonumber(found[5]))
  list.epoch, list.nonce, list.revision, list.clock = tonumber(found[1]), found[2], tonumber(found[3]), tonumber(found[4])
  list.expelled, list.expelledBefore, list.namesBefore = found[7], found[7], found[6]
  local names = words(found[6])
  local values = readFields(key, names, { 'l:', 'a:' })
  for place, name in ipairs(names) do
    local lease, excused = string.match(values[2 * place - 1], '^(%d+) (%d)$')
    local accused, before = string.match(values[2 * place], '^(.*)|(.*)$')
    list.entries[place] = {
      name = name, lease = tonumber(lease), isExcused = excused == '1', accused = accused, before = before,
    }
  end
  return list
end

local function writeList(key, list)
  local names, fields = {}, {}
  for place, entry in ipairs(list.entries) do
    names[place] = entry.name .. ' '
    if entry.isTouched then
      fields[#fields + 1] = 'l:' .. entry.name
      fields[#fields + 1] = text(entry.lease) .. (entry.isExcused and ' 1' or ' 0')
      fields[#fields + 1] = 'a:' .. entry.name
      fields[#fields + 1] = entry.accused .. '|' .. entry.before
    end
    if #fields > 0 and (#fields >= FIELDS_MAX - 4 or place == #list.entries) then
      redis.call('HSET', key, unpack(fields))
      fields = {}
    end
  end
  redis.call('HSET', key, 'epoch', text(list.epoch), 'nonce', list.nonce, 'revision', text(list.revision),
    'clock', text(list.clock), 'time', text(list.time))
  local named = table.concat(names)
  if named ~= list.namesBefore then redis.call('HSET', key, 'names', named) end
  if list.expelled ~= list.expelledBefore then redis.call('HSET', key, 'expelled', list.expelled) end
  for _, name in ipairs(list.gone) do
    redis.call('HDEL', key, 'l:' .. name, 'm:' .. name, 'r:' .. name, 'h:' .. name, 'a:' .. name)
  end
end

-- R7: no call moves the clock by more than one renewal interval, and a silence of all is nobody's death. An excuse never
-- shortens a lease: who only looks at the list may bring another length, which it is told after.
local function observe(list, leaseMs, now)
  local passed = now - list.time
  list.clock = list.clock + math.min(math.max(passed, 0), math.floor(leaseMs / 3))
  list.time = now
  if passed <= leaseMs then return end
  for _, entry in ipairs(list.entries) do
    if not entry.isExcused then
      entry.isExcused, entry.isTouched, entry.lease = true, true, math.max(entry.lease, list.clock + leaseMs)
    end
  end
end

local function raiseTo(list, epoch, nonce)
  list.epoch, list.nonce, list.revision = epoch, nonce, list.revision + 1
end

-- Takes members off the list: those of whom `isOut` says so. Whether there were any.
local function takeOff(list, isOut)
  local kept, isChanged = {}, false
  for _, entry in ipairs(list.entries) do
    if isOut[entry.name] then
      list.gone[#list.gone + 1] = entry.name
      isChanged = true
    else
      kept[#kept + 1] = entry
    end
  end
  list.entries = kept
  return isChanged
end

-- R8: takes members off and names them expelled.
local function expel(list, isOut)
  for _, entry in ipairs(list.entries) do
    if isOut[entry.name] then list.expelled = list.expelled .. entry.name .. ' ' end
  end
  local names = words(list.expelled)
  if #names > EXPELLED_MAX then
    list.expelled = table.concat(names, ' ', #names - EXPELLED_MAX + 1) .. ' '
  end
  return takeOff(list, isOut)
end

-- { kind, revision, epoch, nonce, expelled, then of each member: JSON, run, held }; written before.
local function answerList(key, list, kind)
  local names = {}
  for place, entry in ipairs(list.entries) do names[place] = entry.name end
  local answer = { kind, text(list.revision), text(list.epoch), list.nonce, list.expelled }
  for _, value in ipairs(readFields(key, names, { 'm:', 'r:', 'h:' })) do answer[#answer + 1] = value end
  return answer
end
