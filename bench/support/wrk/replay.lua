--[[ support/wrk/replay.lua: sends the requests of a file in turn, again from the start after the last.
  args[1] file of what to send, each ended by a zero byte: one whole HTTP request, or the same number of them in each
  args[2] which one to begin with, from 0
  Prints "loaded" once all is read, and one line of JSON at the end; `next` is where another run would go on.
  One thread only (wrk -t1). ]]
local thread
function setup(t) thread = t end

local requests = {}
local count = 0
at = 1 -- global: done() reads it from outside the thread
function init(args)
  collectgarbage("stop") -- what is made here stays; later nothing is made
  local file = assert(io.open(args[1], "rb"))
  local text = file:read("*a")
  file:close()
  local from, to = 1, text:find("\0", 1, true) -- plain: a search by pattern took a seventh of the load's core
  while to do
    count = count + 1
    requests[count] = text:sub(from, to - 1)
    from = to + 1
    to = text:find("\0", from, true)
  end
  at = tonumber(args[2]) % count + 1
  io.write("loaded\n")
  io.flush()
end

function request()
  local text = requests[at]
  at = at == count and 1 or at + 1
  return text
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '{"requests":%d,"seconds":%.6f,"p50Ms":%.3f,"p99Ms":%.3f,"refused":%d,"broken":%d,"next":%d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    e.status, e.connect + e.read + e.write + e.timeout, thread:get("at") - 1))
end
