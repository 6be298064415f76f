#!lua flags=no-writes
--[[ node/redis/lua/read-1.lua: what these records hold, and who has them, without taking them. O(bytes of the records).
  KEYS[1] the tag's records (hash, records.lua)
  ARGV[1] run   [2 …] partitions   Clock: none
  Returns of each partition {nil} where the record is not there, else {state, lost, snapshot | nil, message, message, …}. ]]
-- with run records
local other = isOtherRun(KEYS[1], ARGV[1])
if other then return other end
local answers = {}
for place = 2, #ARGV do
  local found = redis.call('HGET', KEYS[1], 'c' .. ARGV[place])
  local answer = { found }
  if found then
    local state = readState(found)
    answer[2] = state.lost
    addContent(answer, KEYS[1], ARGV[place], state)
  end
  answers[place - 1] = answer
end
return answers
