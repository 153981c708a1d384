-- Take the lock, or say when to look again.
-- KEYS: lease, last token, priority waiters.
-- ARGV: attempt, holder, ttl ms, floor, meta, priority (1/0), channel.
-- Returns {token, 0} when taken, {0, ms} when not. Running it again with the same attempt is harmless: it answers with
-- the token already minted, so a caller who lost the reply simply asks again.
local attempt, holder, ttl = ARGV[1], ARGV[2], tonumber(ARGV[3])
local priority = ARGV[6] == '1'
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)

local owner = redis.call('HGET', KEYS[1], 'attempt')
if owner == attempt then
  redis.call('PEXPIRE', KEYS[1], ttl)
  return {tonumber(redis.call('HGET', KEYS[1], 'token')), 0}
end

if owner then
  local left = redis.call('PTTL', KEYS[1])
  if left < 0 then left = ttl end
  if priority then
    -- The entry outlives the lease that is in the way, so that nobody else is let in between.
    local void = left + ttl
    redis.call('ZADD', KEYS[3], string.format('%.0f', now + void), holder)
    if redis.call('PTTL', KEYS[3]) < void then redis.call('PEXPIRE', KEYS[3], void) end
  end
  return {0, left}
end

-- Free. This caller's own entry is served now; a normal caller also makes way for priority callers elsewhere.
redis.call('ZREM', KEYS[3], holder)
if not priority then
  local last = redis.call('ZREVRANGE', KEYS[3], 0, 0, 'WITHSCORES')
  if last[2] and tonumber(last[2]) > now then
    return {0, math.min(tonumber(last[2]) - now, ttl)}
  end
  if last[2] then redis.call('DEL', KEYS[3]) end
end

local token = math.max(tonumber(redis.call('GET', KEYS[2]) or '0') or 0, tonumber(ARGV[4])) + 1
local text = string.format('%.0f', token)
redis.call('SET', KEYS[2], text)
redis.call('HSET', KEYS[1], 'attempt', attempt, 'holder', holder, 'token', text, 'meta', ARGV[5])
redis.call('PEXPIRE', KEYS[1], ttl)
if ARGV[5] ~= '' then redis.call('PUBLISH', ARGV[7], 'acquired') end
return {token, 0}
