#!lua flags=allow-oom
--[[ node/redis/lua/adopt-tag-1.lua: bring a tag to the key that stands beside the list; records of another key are dropped,
  as they name players of other partitions (R12). O(1); Redis frees what was dropped beside its work.
  KEYS[1] the tag's records (hash, records.lua)
  ARGV[1] run: its masters and its mark count   [2] key   [3] its generation   Clock: none
  Returns 1 where records were dropped, 0 where the tag had this key or none; refused where the tag has a newer one.   ]]
-- with run records
if isOtherMaster(ARGV[1]) then return OTHER_RUN end
local key, mark = KEYS[1], markOf(ARGV[1])
local standing = redis.call('HMGET', key, 'mark', 'generation')
if standing[1] == mark then return 0 end
if standing[1] then
  if tonumber(standing[2]) >= tonumber(ARGV[3]) then return OTHER_KEY end
  redis.call('UNLINK', key)
end
copyKey(key, ARGV[1], ARGV[2], ARGV[3])
return standing[1] and 1 or 0
