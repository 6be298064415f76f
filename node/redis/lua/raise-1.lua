#!lua flags=allow-oom
--[[ node/redis/lua/raise-1.lua: raise one's own claims to an epoch; never lower them (R14). O(partitions).
  KEYS[1] the tag's records (hash, records.lua)
  ARGV[1] run   [2] epoch   then of each: partition, claim 'term incarnation founding'   Clock: none
  Returns a letter for each: L landed, S superseded, B behind.                                                       ]]
-- with run records
local other = isOtherRun(KEYS[1], ARGV[1])
if other then return other end
local key, epoch = KEYS[1], tonumber(ARGV[2])
local answers = {}
for place = 3, #ARGV, 2 do
  local state = readState(redis.call('HGET', key, 'c' .. ARGV[place]) or EMPTY)
  if state.claim ~= ARGV[place + 1] then
    answers[#answers + 1] = refusal(state.raisedTo, ARGV[place + 1])
  else
    if state.raisedTo < epoch then
      state.raisedTo = epoch
      writeState(key, ARGV[place], state)
    end
    answers[#answers + 1] = 'L'
  end
end
return table.concat(answers)
