--[[ Shared by the scripts of records: what one tag's hash holds of partition p (R1 to R4, R14).
  c<p>      text:  length next  term incarnation founding  raisedTo number first mine start lost
              length  bytes appended since the claim (term, incarnation, founding) was founded; term 0: nobody ever claimed it
              raisedTo  R14      number  of the newest snapshot of this claim, 0: none
              first, next  the log's messages are numbered first … next - 1      mine  the first one of this claim
              start   the length at which the first message of this claim begins that is still there
              lost    R12: 1 where the store had lost the record when this claim took it
  s<p>      the snapshot's bytes; absent: none was ever taken
  l<p>.<n>  message n of the log
  key, mark, generation   R12: a copy of the cluster's key and what lies beside it there (key.lua)                    ]]
local EMPTY = '0 0 0 - - 0 0 0 0 0 0'
local STATE = '^(%d+) (%d+) (%d+ %S+ %S+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d)$'
local ARGUMENTS_MAX = 4000 -- unpack() gives some 8,000 values at most

local function readState(found)
  local length, next, claim, raisedTo, number, first, mine, start, lost = string.match(found, STATE)
  return {
    length = tonumber(length), next = tonumber(next), claim = claim, raisedTo = tonumber(raisedTo),
    number = tonumber(number), first = tonumber(first), mine = tonumber(mine), start = tonumber(start), lost = lost,
  }
end

local function writeState(key, partition, state)
  redis.call('HSET', key, 'c' .. partition, table.concat({
    text(state.length), text(state.next), state.claim, text(state.raisedTo), text(state.number),
    text(state.first), text(state.mine), text(state.start), state.lost,
  }, ' '))
end

-- R12: a tag that has no key, as it is new or was lost, gets a copy of the one under which it is used.
local function copyKey(key, run, kept, generation)
  if kept == '' or redis.call('HEXISTS', key, 'mark') == 1 then return end
  redis.call('HSET', key, 'key', kept, 'mark', markOf(run), 'generation', generation)
end

-- What to answer a claimant whose claim is not the one that stands: S superseded, B behind (R2).
local function refusal(raisedTo, claim)
  if raisedTo > tonumber(string.match(claim, '^%d+')) then return 'S' end
  return 'B'
end

-- Deletes messages `from` … `to` - 1 of the log.
local function deleteLog(key, partition, from, to)
  local names = {}
  for number = from, to - 1 do
    names[#names + 1] = 'l' .. partition .. '.' .. text(number)
    if #names == ARGUMENTS_MAX or number == to - 1 then
      redis.call('HDEL', key, unpack(names))
      names = {}
    end
  end
end

-- Adds what a record holds to an answer of two: its snapshot, false where there is none, then the messages of its log.
local function addContent(answer, key, partition, state)
  answer[3] = redis.call('HGET', key, 's' .. partition)
  local names = {}
  for number = state.first, state.next - 1 do
    names[#names + 1] = 'l' .. partition .. '.' .. text(number)
    if #names == ARGUMENTS_MAX or number == state.next - 1 then
      for _, message in ipairs(redis.call('HMGET', key, unpack(names))) do answer[#answer + 1] = message end
      names = {}
    end
  end
end
