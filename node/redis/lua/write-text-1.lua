#!lua flags=allow-oom
--[[ node/redis/lua/write-text-1.lua: replaces a text that all nodes follow, where it is what the writer knows. O(bytes of it).
  KEYS[1] the text (hash: mark, text)
  ARGV[1] the mark that is known; empty where nothing is   [2] the new one's mark   [3] its text   Clock: none
  Returns 1, or 0 where something else lies there. ]]
if (redis.call('HGET', KEYS[1], 'mark') or '') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'mark', ARGV[2], 'text', ARGV[3])
return 1
