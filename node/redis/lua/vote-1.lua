#!lua flags=allow-oom
--[[ node/redis/lua/vote-1.lua: ask that a key replace the one that stands; the vote that makes them enough replaces key
  and list at once (R12). O(members).
  KEYS[1] the list of members (hash, members.lua, key.lua)
  ARGV[1] run: its masters, and the mark asked for, count   [2] lease, ms   [3] who asks, an incarnation
  ARGV[4] epoch of the view to be written back   [5] fresh nonce   [6] expelled, by spaces   [7] a clock for tests, else ''
  ARGV[8] key   [9] its generation   then of each member of that view: incarnation, JSON, '1' where it joins
  Clock: Redis' own
  Returns 'replaced', 'counted', 'tied', 'outnumbered', or 'not needed'.
  votes  of each in lines 'incarnation mark clock', by the observed clock; one lapses with a lease                    ]]
-- with run members key
if isOtherMaster(ARGV[1]) then return OTHER_RUN end
local key, mark, leaseMs, own = KEYS[1], markOf(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local MEMBERS_FROM = 10
local now = readClock(ARGV[7])

local standing = redis.call('HMGET', key, 'mark', 'generation', 'votes')
if not standing[1] or standing[1] == mark then return 'not needed' end
local list = readList(key, '') or emptyList(key, now)
observe(list, leaseMs, now)
if list.epoch > 0 then writeList(list) end
local living = 0
for _, entry in ipairs(readEntries(list)) do
  if entry.lease >= list.clock then living = living + 1 end
end
local members = (#ARGV - MEMBERS_FROM + 1) / 3
if members <= living then return 'outnumbered' end

local lines, hasAsked = { own .. ' ' .. mark .. ' ' .. text(list.clock) .. '\n' }, { [own] = true }
for name, wanted, at in string.gmatch(standing[3] or '', '(%S+) (%S+) (%d+)\n') do
  if name ~= own and list.clock - tonumber(at) <= leaseMs then
    lines[#lines + 1] = name .. ' ' .. wanted .. ' ' .. at .. '\n'
    if wanted == mark then hasAsked[name] = true end
  end
end
redis.call('HSET', key, 'votes', table.concat(lines))
local asked = 0
for place = MEMBERS_FROM, #ARGV, 3 do
  if hasAsked[ARGV[place]] then asked = asked + 1 end
end
if asked * 2 <= members then return 'counted' end
if asked <= living then return 'tied' end

local epoch = math.max(list.epoch, tonumber(ARGV[4])) + 1
replaceList(key, list, leaseMs, now, epoch, ARGV[5], ARGV[6], ARGV, MEMBERS_FROM)
writeKey(key, mark, ARGV[8], math.max(tonumber(standing[2]), tonumber(ARGV[9])) + 1, ARGV[5])
return 'replaced'
