--[[ bench/contestants/report-1.lua: one report, the whole Redis design in one script. O(log modes of a region).
  KEYS[1] profile:<uuid> (hash: region, gamemode)
  ARGV[1] region   ARGV[2] gamemode
  The two boards (sorted sets region:<code>, member = mode, score = players) are named here: the old one is known only
  after reading KEYS[1], so this runs on one Redis, not on a cluster. Clock: none.
  Returns 1 where the player moved, 0 where nothing changed. ]]
local before = redis.call('HMGET', KEYS[1], 'region', 'gamemode')
if before[1] == ARGV[1] and before[2] == ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], 'region', ARGV[1], 'gamemode', ARGV[2])
if before[1] then redis.call('ZINCRBY', 'region:' .. before[1], -1, before[2]) end
redis.call('ZINCRBY', 'region:' .. ARGV[1], 1, ARGV[2])
return 1
