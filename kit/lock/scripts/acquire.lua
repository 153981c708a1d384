-- Take the lock, or say when to look again.
-- KEYS: lease, last token, priority waiters.
-- ARGV: attempt, holder, ttl ms, floor, meta, priority (1/0), channel, most a token is believed to be above the floor.
-- Returns {token, 0, mended} when taken, {0, ms, mended} when not. Running it again with the same attempt is harmless: it
-- answers with the token already minted, so a caller who lost the reply simply asks again.
-- What no Locker can have written is removed and named in mended: left as it is, it would be in the way for ever.
local attempt, holder, ttl = ARGV[1], ARGV[2], tonumber(ARGV[3])
local priority = ARGV[6] == '1'
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local longest = math.max(10 * ttl, 60000) -- no lease and no place lasts so long, also where other Lockers have another TTL

local mended = ''
for i, want in ipairs({'hash', 'string', 'zset'}) do
  local is = redis.call('TYPE', KEYS[i]).ok
  if is ~= 'none' and is ~= want then
    redis.call('DEL', KEYS[i])
    mended = mended .. KEYS[i] .. ' was a ' .. is .. '; '
  end
end

local owner = redis.call('HGET', KEYS[1], 'attempt')
if owner == attempt then
  local token = tonumber(redis.call('HGET', KEYS[1], 'token'))
  if token then
    redis.call('PEXPIRE', KEYS[1], ttl)
    return {token, 0, mended}
  end
  owner = false -- somebody damaged the record in between: take it anew
end

if owner then
  local left = redis.call('PTTL', KEYS[1])
  if left < 0 or left > longest then
    redis.call('PEXPIRE', KEYS[1], ttl)
    left = ttl
    mended = mended .. KEYS[1] .. ' did not end; '
  end
  if priority then
    -- The entry outlives the lease that is in the way, so that nobody else is let in between.
    local void = left + ttl
    redis.call('ZADD', KEYS[3], string.format('%.0f', now + void), holder)
    if redis.call('PTTL', KEYS[3]) < void then redis.call('PEXPIRE', KEYS[3], void) end
  end
  return {0, left, mended}
end

-- Free. This caller's own entry is served now; a normal caller also makes way for priority callers elsewhere.
redis.call('ZREM', KEYS[3], holder)
if not priority then
  if redis.call('ZREMRANGEBYSCORE', KEYS[3], string.format('(%.0f', now + 2 * longest), '+inf') > 0 then
    mended = mended .. KEYS[3] .. ' had a place that did not end; '
  end
  local last = redis.call('ZREVRANGE', KEYS[3], 0, 0, 'WITHSCORES')
  if last[2] and tonumber(last[2]) > now then
    return {0, math.min(tonumber(last[2]) - now, ttl), mended}
  end
  if last[2] then redis.call('DEL', KEYS[3]) end
end

local floor, stored = tonumber(ARGV[4]), redis.call('GET', KEYS[2])
local last = 0
if stored then
  if #stored <= 16 and string.find(stored, '^%d+$') and tonumber(stored) - floor <= tonumber(ARGV[8]) then
    last = tonumber(stored)
  else
    mended = mended .. KEYS[2] .. ' was no token; '
  end
end
local token = math.max(last, floor) + 1
local text = string.format('%.0f', token)
redis.call('SET', KEYS[2], text)
redis.call('HSET', KEYS[1], 'attempt', attempt, 'holder', holder, 'token', text, 'meta', ARGV[5])
redis.call('PEXPIRE', KEYS[1], ttl)
if ARGV[5] ~= '' then redis.call('PUBLISH', ARGV[7], 'acquired') end
return {token, 0, mended}
