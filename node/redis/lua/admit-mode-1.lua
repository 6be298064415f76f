#!lua
--[[ node/redis/lua/admit-mode-1.lua: agree on names of modes, as far as there is room (R28). O(bytes of all names).
  KEYS[1] the list of members (hash, members.lua), which holds the names too (modes.lua)
  ARGV[1] run   [2] the most names   [3] revision it knows   [4] names it believes unused, [5] names asked for: by spaces
  Clock: none
  Returns {revision, 1: all there are, added, gone, marked, refused}. Where some are refused, unused names are marked. ]]
-- with run modes
local other = isOtherRun(KEYS[1], ARGV[1])
if other then return other end
local modes, namesMax, refused, isAsked = readModes(KEYS[1]), tonumber(ARGV[2]), {}, {}
for name in string.gmatch(ARGV[5], '%S+') do
  isAsked[name] = true
  if not isAgreed(modes, name) then
    if modes.count < namesMax then addMode(modes, name) else refused[#refused + 1] = name end
  end
end
unmark(modes, function(name) return isAsked[name] end)
if #refused > 0 then
  for name in string.gmatch(ARGV[4], '%S+') do
    if not isAsked[name] then markMode(modes, name) end
  end
end
writeModes(KEYS[1], modes)
local answer = answerModes(modes, tonumber(ARGV[3]))
answer[6] = table.concat(refused, ' ')
return answer
