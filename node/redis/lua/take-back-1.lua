#!lua flags=allow-oom
--[[ node/redis/lua/take-back-1.lua: take a record and replace it by its claimant's table, at once, unless it stands under a
  higher term than that table, or is not there and may not be (R15). O(bytes, messages of the log).
  KEYS[1] the tag's records (hash, records.lua)
  ARGV[1] run   [2] key, or '', [3] its generation, for a tag that has none (R12)   [4] partition
  ARGV[5] claim: 'term incarnation founding'   [6] the table's term   [7] length from then on
  ARGV[8] 1: a record that is not there is made   [9] 1: with a snapshot   [10] its bytes   Clock: none
  Returns {state before | nil}: refused, or {state before | nil, '1'}.                                               ]]
-- with run records
local other = isOtherRun(KEYS[1], ARGV[1])
if other then return other end
local key, partition, claim = KEYS[1], ARGV[4], ARGV[5]
local found = redis.call('HGET', key, 'c' .. partition)
if not found and ARGV[8] ~= '1' then return { found } end
local state = readState(found or EMPTY)
if state.claim == claim then
  copyKey(key, ARGV[1], ARGV[2], ARGV[3])
  return { found, '1' }
end
local term = tonumber(string.match(claim, '^%d+'))
local standing = tonumber(string.match(state.claim, '^%d+'))
if standing > tonumber(ARGV[6]) or term <= state.raisedTo then return { found } end

copyKey(key, ARGV[1], ARGV[2], ARGV[3])
deleteLog(key, partition, state.first, state.next)
if ARGV[9] == '1' then
  redis.call('HSET', key, 's' .. partition, ARGV[10])
else
  redis.call('HDEL', key, 's' .. partition)
end
state.claim, state.raisedTo, state.length, state.number = claim, term, tonumber(ARGV[7]), 1
state.first, state.mine, state.start, state.lost = state.next, state.next, state.length, '0'
writeState(key, partition, state)
return { found, '1' }
