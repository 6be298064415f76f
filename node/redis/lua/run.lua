-- R15, shared by the scripts: the store is the one that the caller believes in. The run names the masters' replication
-- ids, sorted; this master's is among them. It changes with every restart and every promotion. Costs some 2 µs.
local function isOtherRun(run)
  local replid = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
  return string.find(run, replid, 1, true) == nil
end

local OTHER_RUN = redis.error_reply('RUN the run of this Redis is another')

-- Lua writes large numbers as 1e+15.
local function text(number)
  return string.format('%.0f', number)
end
