#!lua flags=allow-oom
--[[ node/redis/lua/leave-1.lua: take a member off the list; it is not named expelled (R11). O(members).
  KEYS[1] the list of members (hash, members.lua)
  ARGV[1] run   [2] incarnation   [3] fresh nonce   Clock: none
  Returns nothing.                                                                                                   ]]
-- with run members
local other = isOtherRun(KEYS[1], ARGV[1])
if other then return other end
local list = readList(KEYS[1], '')
if list and takeOff(list, { [ARGV[2]] = true }) then
  raiseTo(list, list.epoch + 1, ARGV[3])
  writeList(list)
end
