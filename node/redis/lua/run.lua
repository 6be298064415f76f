-- R9, R12, R15, shared by the scripts: the store, the list and the key are those that the caller believes in. A run is
-- 'replication ids, by commas   history of the list   mark of the key'; a history of '-' fits any, for who asks for it.
-- A replication id changes with every restart and every promotion. Costs some 3 µs.
local OTHER_RUN = redis.error_reply('RUN the run of this Redis is another')
local OTHER_KEY = redis.error_reply('KEY the cluster has another key')

-- One pass over a run: a pattern that may begin or end anywhere costs some 5 µs.
local function partsOf(run)
  return string.match(run, '^(%S*) (%S*) (%S*)$')
end

local function markOf(run)
  local _, _, mark = partsOf(run)
  return mark
end

local function isOtherMaster(run)
  local info = redis.call('INFO', 'replication')
  local _, before = string.find(info, 'master_replid:', 1, true)
  return string.find(run, string.sub(info, before + 1, before + 40), 1, true) == nil
end

-- Which error to answer; nil where all is as the caller believes. A tag's hash has no history, and a new one no mark.
local function isOtherRun(key, run)
  if isOtherMaster(run) then return OTHER_RUN end
  local _, history, mark = partsOf(run)
  local standing = redis.call('HMGET', key, 'mark', 'history')
  if standing[1] and standing[1] ~= mark then return OTHER_KEY end
  if standing[2] and history ~= '-' and history ~= standing[2] then return OTHER_RUN end
end

-- What a renewal has to learn first: {'other key', key that stands}, or {'other history', history, '-' where there is
-- none}; nil where it knows all that.
local function newsFor(run, standingMark, standingHistory, kept)
  local _, history, mark = partsOf(run)
  if standingMark and standingMark ~= mark then return { 'other key', kept } end
  standingHistory = standingHistory or '-'
  if history ~= standingHistory then return { 'other history', standingHistory } end
end

-- Lua writes large numbers as 1e+15.
local function text(number)
  return string.format('%.0f', number)
end
