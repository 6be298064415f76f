#!lua flags=no-writes
--[[ node/redis/lua/read-text-1.lua: a text that all nodes follow, where it is not what the asker knows. O(bytes of it).
  KEYS[1] the text (hash: mark, text)
  ARGV[1] the mark that is known; empty where nothing is   Clock: none
  Returns nil, or {mark, text}; both empty where nothing lies there. ]]
local standing = redis.call('HGET', KEYS[1], 'mark') or ''
if standing == ARGV[1] then return false end
return { standing, redis.call('HGET', KEYS[1], 'text') or '' }
