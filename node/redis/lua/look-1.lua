#!lua flags=no-writes
--[[ node/redis/lua/look-1.lua: what stands, for who is not a member (R12). O(members).
  KEYS[1] the list of members (hash, members.lua, key.lua)
  ARGV[1] run: only its masters count   Clock: none
  Returns {history | nil, mark | nil, key | nil, list as answerList() says}; the list is empty where there is none.   ]]
-- with run members
if isOtherMaster(ARGV[1]) then return OTHER_RUN end
local key = KEYS[1]
local found = redis.call('HMGET', key, 'history', 'mark', 'key')
local list = readList(key, '')
return { found[1], found[2], found[3], list and answerList(list, 'look', false) or {} }
