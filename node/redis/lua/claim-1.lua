#!lua flags=allow-oom
--[[ node/redis/lua/claim-1.lua: claim records for a term above what they are raised to, or one's own again (R1).
  O(bytes of the records) where they are asked for.
  KEYS[1] the tag's records (hash, records.lua)
  ARGV[1] run   [2] claim: 'term incarnation founding'   [3] 1: answer snapshot and log   [4] key, or '', [5] its generation, for
  a tag that has none (R12)   [6 …] of each: partition, 1 where a record that is not there is claimed too (R15)   Clock: none
  Returns of each partition {state before | nil}: refused, or {state before | nil, lost, and where asked for: snapshot |
  nil, message, message, …}.                                                                                         ]]
-- with run records
local other = isOtherRun(KEYS[1], ARGV[1])
if other then return other end
local key, claim, isLoaded = KEYS[1], ARGV[2], ARGV[3] == '1'
local term = tonumber(string.match(claim, '^%d+'))
local isAnyClaimed = false

local function claimRecord(partition, mayBeAbsent)
  local found = redis.call('HGET', key, 'c' .. partition)
  if not found and not mayBeAbsent then return { found } end
  local state = readState(found or EMPTY)
  if state.claim ~= claim then
    if term <= state.raisedTo then return { found } end
    state.claim, state.raisedTo, state.length, state.number = claim, term, 0, 0
    state.mine, state.start, state.lost = state.next, 0, found and '0' or '1'
    writeState(key, partition, state)
  end
  isAnyClaimed = true
  local answer = { found, state.lost }
  if isLoaded then addContent(answer, key, partition, state) end
  return answer
end

local answers = {}
for place = 6, #ARGV, 2 do answers[#answers + 1] = claimRecord(ARGV[place], ARGV[place + 1] == '1') end
if isAnyClaimed then copyKey(key, ARGV[1], ARGV[4], ARGV[5]) end
return answers
