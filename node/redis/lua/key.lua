--[[ Shared by the scripts that write the key and a whole list (R9, R12), behind members.lua, and what lies beside the list.
  key         what all must agree on, as JSON: opaque here      mark  of its hash key, so that keys can be told apart
  generation  rises each time that a key replaces another
  history     'generation.nonce': another with each founding and each time that the list is written back              ]]
local function writeKey(key, mark, kept, generation, nonce)
  redis.call('HSET', key, 'key', kept, 'mark', mark, 'generation', text(generation),
    'history', text(generation) .. '.' .. nonce)
end

-- Writes a list in the place of what stands: these members with fresh leases, none of whom has renewed yet.
-- standing: the list that is replaced, or nil      members: incarnation, JSON, '1' where it joins of each, from this place on
local function replaceList(key, standing, leaseMs, now, epoch, nonce, expelled, members, from)
  local list = emptyList(key, now)
  if standing then
    observe(standing, leaseMs, now)
    list.revision, list.clock, list.time = standing.revision, standing.clock, standing.time
  end
  list.expelled = expelled
  redis.call('DEL', key)
  for place = from, #members, 3 do
    local name = members[place]
    list.entries[#list.entries + 1] = {
      name = name, lease = list.clock + leaseMs, isExcused = false, isTouched = true, licence = '0', number = 0,
    }
    if members[place + 2] == '1' then list.joiners = list.joiners .. name .. ' ' end
    redis.call('HSET', key, 'm:' .. name, members[place + 1], 'r:' .. name, '', 'h:' .. name, '')
  end
  raiseTo(list, epoch, nonce)
  writeList(list)
end
