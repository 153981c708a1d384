-- Applies the effects of one transition, all or none, if the FIFO is still as the transition saw it.
--
-- KEYS  1 state hash {tag, current}  2 FIFO of ids  3 hash id -> request, queued and current  4 last processed requests, to list
--       5 id of the request that is ending, for monitor-svc  6 and 7 processed requests by id, the memory of memory.lua
--       8 lease of the active proposer
-- ARGV  1 tag the transition saw   2 tag to leave behind   3 lease token needed, or ""   4 id the event is about, or ""
--       5 "1" if the transition took that id for unknown   6 how many processed requests a hash of
--       their memory has   7 their life in ms
--       8 how many of the last to list   9 channel to wake others on, or ""   10 holder the lease needs to have, or ""
--       11 id of the request that is ending afterwards, or ""
--       then (operation, id, request) ...
-- Reply {"damaged", why}, or {outcome, tag, length of the FIFO, current request, first request, request the event is about,
-- id of the current request, id of the first, id of the request that is ending}
for i, want in ipairs({'hash', 'list', 'hash', 'list', 'string', 'hash', 'hash'}) do
  local is = redis.call('TYPE', KEYS[i]).ok
  if is ~= 'none' and is ~= want then return {'damaged', KEYS[i] .. ' is a ' .. is} end
end

-- When some of the keys are lost, a request may be left that is neither current nor in the FIFO. Its repeats would be taken
-- for known, and it would never be served.
local waits = redis.call('LLEN', KEYS[2]) + redis.call('HEXISTS', KEYS[1], 'current')
local stored = redis.call('HLEN', KEYS[3])
if stored ~= waits then return {'damaged', KEYS[3] .. ' holds ' .. stored .. ' requests, and ' .. waits .. ' wait'} end

local function known(id)
  if id == '' then return '' end
  return redis.call('HGET', KEYS[3], id) or recall(KEYS[6], KEYS[7], id) or ''
end

local function view(outcome)
  local current = redis.call('HGET', KEYS[1], 'current') or ''
  local first = redis.call('LINDEX', KEYS[2], 0) or ''
  return {outcome, redis.call('HGET', KEYS[1], 'tag') or '', redis.call('LLEN', KEYS[2]),
    known(current), known(first), known(ARGV[4]), current, first, redis.call('GET', KEYS[5]) or ''}
end

if ARGV[3] ~= '' then
  local lease = redis.call('HMGET', KEYS[8], 'token', 'holder')
  -- After a failover of Redis two may have been given the same token: it is the holder's too.
  if lease[1] ~= ARGV[3] or (ARGV[10] ~= '' and lease[2] ~= ARGV[10]) then return view('not active') end
end
if (redis.call('HGET', KEYS[1], 'tag') or '') ~= ARGV[1] then return view('changed') end
if ARGV[5] == '1' and known(ARGV[4]) ~= '' then return view('changed') end

for i = 12, #ARGV, 3 do
  local op, id, request = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  if op == 'append' then
    redis.call('RPUSH', KEYS[2], id)
    redis.call('HSET', KEYS[3], id, request)
  elseif op == 'prepend' then
    redis.call('LPUSH', KEYS[2], id)
    redis.call('HSET', KEYS[3], id, request)
  elseif op == 'remove' then
    redis.call('LREM', KEYS[2], 1, id)
    redis.call('HDEL', KEYS[3], id)
  elseif op == 'hold' then
    redis.call('HSET', KEYS[1], 'current', id)
    redis.call('HSET', KEYS[3], id, request)
  elseif op == 'release' then
    redis.call('HDEL', KEYS[1], 'current')
    redis.call('HDEL', KEYS[3], id)
  elseif op == 'remember' then
    remember(KEYS[6], KEYS[7], id, request, ARGV[7], ARGV[6])
    redis.call('LPUSH', KEYS[4], request)
    redis.call('LTRIM', KEYS[4], 0, ARGV[8] - 1)
  end
end
if ARGV[11] ~= '' then
  redis.call('SET', KEYS[5], ARGV[11])
else
  redis.call('DEL', KEYS[5])
end
redis.call('HSET', KEYS[1], 'tag', ARGV[2])
if ARGV[9] ~= '' then redis.call('PUBLISH', ARGV[9], ARGV[2]) end
return view('applied')
