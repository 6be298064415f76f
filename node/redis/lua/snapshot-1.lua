#!lua flags=allow-oom
--[[ node/redis/lua/snapshot-1.lua: replace a snapshot and the part of the log that it covers, at once (R3, R4).
  O(bytes, messages covered).
  KEYS[1] the tag's records (hash, records.lua)
  ARGV[1] run   [2] partition   [3] claim 'term incarnation founding'   [4] number   [5] length covered
  ARGV[6] 1: the whole log is covered, whatever its length   [7] bytes   Clock: none
  Returns L landed, S superseded, B behind, O and the number that stands: outnumbered.                               ]]
-- with run records
local other = isOtherRun(KEYS[1], ARGV[1])
if other then return other end
local key, partition, claim = KEYS[1], ARGV[2], ARGV[3]
local number, covers, coversAll = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6] == '1'
local state = readState(redis.call('HGET', key, 'c' .. partition) or EMPTY)
if state.claim ~= claim then return refusal(state.raisedTo, claim) end
if number <= state.number then return 'O' .. text(state.number) end
if not coversAll and covers > state.length then return 'B' end

local kept, start = state.next, covers
if not coversAll then
  kept, start = state.mine, state.start
  while kept < state.next do
    local stop = start + redis.call('HSTRLEN', key, 'l' .. partition .. '.' .. text(kept))
    if stop > covers then break end
    kept, start = kept + 1, stop
  end
end
deleteLog(key, partition, state.first, kept)
redis.call('HSET', key, 's' .. partition, ARGV[7])
state.number, state.first, state.mine, state.start = number, kept, kept, start
if coversAll then state.length = covers end
writeState(key, partition, state)
return 'L'
