#!lua
--[[ node/redis/lua/append-1.lua: continue the logs of partitions, each from the length it names (R2). O(bytes).
  Two calls and an argument a message, and a state is taken apart no further than need be: so a group commit is cheap.
  KEYS[1] the tag's records (hash, records.lua)
  ARGV[1] run   [2] of each, in lines: 'partition term incarnation founding length-continued'   [3 …] messages
  Clock: none   Not past the memory limit (R16): what fills Redis is refused first.
  An empty message proves the claim and the length, and writes nothing (R14).
  Returns a letter for each: L landed, S superseded, B behind.                                                       ]]
-- with run records
local other = isOtherRun(KEYS[1], ARGV[1])
if other then return other end
local find, sub, match, format, tonumber = string.find, string.sub, string.match, string.format, tonumber
local key = KEYS[1]

local names, claims, lengths, count = {}, {}, {}, 0
for partition, claim, from in string.gmatch(ARGV[2], '(%d+) (%d+ %S+ %S+ )(%d+)\n') do
  count = count + 1
  names[count], claims[count], lengths[count] = 'c' .. partition, claim, tonumber(from)
end
local states = redis.call('HMGET', key, unpack(names))

local answers, fields, filled = {}, {}, 0
for index = 1, count do
  local claim, from, message = claims[index], lengths[index], ARGV[index + 2]
  local state = states[index] or EMPTY
  local _, stop, length, next = find(state, '^(%d+) (%d+) ')
  if sub(state, stop + 1, stop + #claim) ~= claim then
    answers[index] = refusal(tonumber((match(state, '^%S+ %S+ %S+ (%d+)', stop + 1))), claim)
  else
    length = tonumber(length)
    local continued = from + #message
    if #message == 0 then
      answers[index] = length >= from and 'L' or 'B'
    elseif length == from then
      fields[filled + 1] = 'l' .. sub(names[index], 2) .. '.' .. next
      fields[filled + 2] = message
      fields[filled + 3] = names[index]
      fields[filled + 4] = format('%.0f %.0f ', continued, next + 1) .. sub(state, stop + 1)
      filled = filled + 4
      answers[index] = 'L'
    else
      answers[index] = length >= continued and 'L' or 'B'
    end
  end
  if filled >= ARGUMENTS_MAX or (index == count and filled > 0) then
    redis.call('HSET', key, unpack(fields, 1, filled))
    filled = 0
  end
end
return table.concat(answers)
