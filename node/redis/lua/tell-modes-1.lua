#!lua flags=allow-oom
--[[ node/redis/lua/tell-modes-1.lua: say what a member knows and holds, so that marked names can go (R28). O(bytes of all
  names), and while names are marked O(members + partitions).
  KEYS[1] the list of members (hash, members.lua), which holds the names too (modes.lua)
  ARGV[1] run   [2] incarnation   [3] revision it knows   [4] revision it has settled   [5] partitions of the cluster
  ARGV[6] partitions that it has, by commas   [7] names that it holds, by spaces   Clock: none
  Returns {revision, 1: all there are, added, gone, marked, names held that had not been agreed}.                      ]]
-- with run modes
local other = isOtherRun(KEYS[1], ARGV[1])
if other then return other end
local key, own, known, partitionCount = KEYS[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[5])
local modes, isHeld, isListed, listed, returned = readModes(key), {}, {}, {}, {}
for name in string.gmatch(redis.call('HGET', key, 'names') or '', '%S+') do
  listed[#listed + 1], isListed[name] = name, true
end
local function answer()
  local told = answerModes(modes, known)
  told[6] = table.concat(returned, ' ')
  return told
end
if not isListed[own] then return answer() end

for name in string.gmatch(ARGV[7], '%S+') do
  isHeld[name] = true
  if not isAgreed(modes, name) then
    addMode(modes, name)
    returned[#returned + 1] = name
  end
end
unmark(modes, function(name) return isHeld[name] end)

-- What each listed member said last; of who is listed no more nothing counts.
local lines, told = {}, {}
local function take(name, revision, settled, partitions)
  lines[#lines + 1] = name .. ' ' .. revision .. ' ' .. settled .. ' ' .. partitions .. '\n'
  told[name] = { revision = tonumber(revision), settled = tonumber(settled), partitions = partitions }
end
for name, revision, settled, partitions in string.gmatch(modes.told, '(%S+) (%d+) (%d+) ([%d,]*)\n') do
  if isListed[name] and name ~= own then take(name, revision, settled, partitions) end
end
take(own, ARGV[3], ARGV[4], ARGV[6])
modes.told = table.concat(lines)

local revision, settled, spoken
for _, name in ipairs(listed) do
  local said = told[name] or { revision = 0, settled = 0 }
  revision, settled = math.min(revision or said.revision, said.revision), math.min(settled or said.settled, said.settled)
end
local function spokenFor()
  local isSpoken, count = {}, 0
  for _, said in pairs(told) do
    for partition in string.gmatch(said.partitions, '%d+') do
      if not isSpoken[partition] then isSpoken[partition], count = true, count + 1 end
    end
  end
  return count
end

-- First every member must know the mark, so that none uses the name without asking. Who says since then that it does not
-- hold the name does not hold it later either.
local isGone = {}
for _, mark in ipairs(modes.marks) do
  if mark.knownAt == 0 and settled >= mark.at then
    mark.knownAt, modes.isChanged = modes.nextRevision, true
  elseif mark.knownAt > 0 and revision >= mark.knownAt then
    spoken = spoken or spokenFor()
    isGone[mark.name] = spoken == partitionCount
  end
end
for _, mark in ipairs(modes.marks) do
  if isGone[mark.name] then dropMode(modes, mark.name) end
end
unmark(modes, function(name) return isGone[name] end)
writeModes(key, modes)
return answer()
