--[[ Shared by the scripts of the modes' names (R28): what the hash of the list of members holds of them.
  modesRevision  rises with every change        modesCount  how many names        modesWhole  who knows less is told all
  modes       each name with the revision under which it was admitted, oldest first: '12 GM01\n'
  modesGone   the same of names that went, so that whoever knew them can be told
  modesMarked name, revision of the mark, revision since which every member knows it, or 0: 'GM01 14 0\n'
  modesTold   while names are marked, what each member said last: incarnation, the revision it knows, the one that it
              has settled, its partitions: 'ann 14 12 0,3,7\n'                                                       ]]
local GONE_BYTES_MAX = 16384 -- a longer log of names gone is begun anew
local MARKS_MAX = 64

local function readModes(key)
  local found = redis.call('HMGET', key, 'modesRevision', 'modesCount', 'modesWhole', 'modes', 'modesGone',
    'modesMarked', 'modesTold')
  local modes = {
    revision = tonumber(found[1] or '0'), count = tonumber(found[2] or '0'), whole = tonumber(found[3] or '0'),
    names = found[4] or '', gone = found[5] or '', told = found[7] or '', marks = {}, fresh = {}, isFresh = {},
  }
  modes.nextRevision = modes.revision + 1
  for name, at, knownAt in string.gmatch(found[6] or '', '(%S+) (%d+) (%d+)\n') do
    modes.marks[#modes.marks + 1] = { name = name, at = tonumber(at), knownAt = tonumber(knownAt) }
  end
  return modes
end

local function isAgreed(modes, name)
  return modes.isFresh[name] or string.find(modes.names, ' ' .. name .. '\n', 1, true) ~= nil
end

-- Without the line that ends with this name.
local function without(lines, name)
  local from, to = string.find(lines, ' ' .. name .. '\n', 1, true)
  if not from then return lines end
  while from > 1 and string.sub(lines, from - 1, from - 1) ~= '\n' do from = from - 1 end
  return string.sub(lines, 1, from - 1) .. string.sub(lines, to + 1)
end

local function line(modes, name)
  return text(modes.nextRevision) .. ' ' .. name .. '\n'
end

local function addMode(modes, name)
  modes.fresh[#modes.fresh + 1] = line(modes, name)
  modes.isFresh[name] = true
  modes.gone = without(modes.gone, name)
  modes.count, modes.isChanged = modes.count + 1, true
end

local function dropMode(modes, name)
  modes.names = without(modes.names, name)
  modes.gone = modes.gone .. line(modes, name)
  if #modes.gone > GONE_BYTES_MAX then modes.gone, modes.whole = '', modes.nextRevision end
  modes.count, modes.isChanged = modes.count - 1, true
end

local function isMarked(modes, name)
  for _, mark in ipairs(modes.marks) do
    if mark.name == name then return true end
  end
  return false
end

local function markMode(modes, name)
  if #modes.marks >= MARKS_MAX or isMarked(modes, name) or not isAgreed(modes, name) then return end
  modes.marks[#modes.marks + 1] = { name = name, at = modes.nextRevision, knownAt = 0 }
  modes.isChanged = true
end

-- Takes marks away: those of whom `isOut` says so.
local function unmark(modes, isOut)
  local kept = {}
  for _, mark in ipairs(modes.marks) do
    if not isOut(mark.name) then kept[#kept + 1] = mark end
  end
  modes.isChanged = modes.isChanged or #kept < #modes.marks
  modes.marks = kept
end

local function writeModes(key, modes)
  if #modes.marks == 0 then modes.told = '' end
  if modes.isChanged then
    local marks = {}
    for place, mark in ipairs(modes.marks) do
      marks[place] = mark.name .. ' ' .. text(mark.at) .. ' ' .. text(mark.knownAt) .. '\n'
    end
    modes.names = modes.names .. table.concat(modes.fresh)
    modes.revision = modes.nextRevision
    redis.call('HSET', key, 'modesRevision', text(modes.revision), 'modesCount', text(modes.count), 'modesWhole',
      text(modes.whole), 'modes', modes.names, 'modesGone', modes.gone, 'modesMarked', table.concat(marks))
  end
  if modes.isChanged or #modes.marks > 0 then redis.call('HSET', key, 'modesTold', modes.told) end
end

-- The names of all lines above a revision, by spaces.
local function namesSince(lines, revision)
  local found = {}
  for at, name in string.gmatch(lines, '(%d+) (%S+)\n') do
    if tonumber(at) > revision then found[#found + 1] = name end
  end
  return table.concat(found, ' ')
end

-- { revision, 1: all names there are, added, gone, marked }: what changed since the revision that the caller knows.
local function answerModes(modes, known)
  local marked = {}
  for place, mark in ipairs(modes.marks) do marked[place] = mark.name end
  local isFullList = known == 0 or known > modes.revision or known < modes.whole
  local added, gone = '', ''
  if isFullList then
    added = namesSince(modes.names, 0)
  elseif known < modes.revision then
    added, gone = namesSince(modes.names, known), namesSince(modes.gone, known)
  end
  return { text(modes.revision), isFullList and '1' or '0', added, gone, table.concat(marked, ' ') }
end
