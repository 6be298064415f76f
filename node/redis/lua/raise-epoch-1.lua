#!lua flags=allow-oom
--[[ node/redis/lua/raise-epoch-1.lua: make the epoch at least one more than a number (R1). O(1).
  KEYS[1] the list of members (hash, members.lua)
  ARGV[1] run   [2] number   [3] fresh nonce   Clock: none
  Returns nothing. Where there is no list there is nothing to raise: its members will write one back.                ]]
-- with run members
local other = isOtherRun(KEYS[1], ARGV[1])
if other then return other end
local list = readList(KEYS[1], '')
if list and list.epoch <= tonumber(ARGV[2]) then
  raiseTo(list, tonumber(ARGV[2]) + 1, ARGV[3])
  writeList(list)
end
