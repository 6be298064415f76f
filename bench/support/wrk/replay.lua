--[[ support/wrk/replay.lua: sends the requests of a file in turn, again from the start after the last.
  args[1] file of whole HTTP requests, each ended by a zero byte
  args[2] which one to begin with, from 0
  Prints one line of JSON at the end; `next` is where another run would go on. One thread only (wrk -t1). ]]
local thread
function setup(t) thread = t end

local requests = {}
at = 1 -- global: done() reads it from outside the thread
function init(args)
  local file = assert(io.open(args[1], "rb"))
  for request in file:read("*a"):gmatch("([^%z]+)%z") do requests[#requests + 1] = request end
  file:close()
  at = tonumber(args[2]) % #requests + 1
end

function request()
  local text = requests[at]
  at = at == #requests and 1 or at + 1
  return text
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '{"requests":%d,"seconds":%.6f,"p50Ms":%.3f,"p99Ms":%.3f,"refused":%d,"broken":%d,"next":%d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    e.status, e.connect + e.read + e.write + e.timeout, thread:get("at") - 1))
end
