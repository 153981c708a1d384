-- Take the lock, or say when to look again.
-- KEYS: lease, last token.
-- ARGV: attempt, holder, ttl ms, floor, meta, channel, most a token is believed to be above the floor.
-- Returns {token, 0, removed} when taken, {0, ms, removed} when not. Running it again with the same attempt is harmless: it
-- answers with the token already minted, so a caller who lost the reply simply asks again.
-- What no Locker can have written is removed and named in removed: left as it is, it would be in the way for ever.
local attempt, holder, ttl = ARGV[1], ARGV[2], tonumber(ARGV[3])
local longest = math.max(10 * ttl, 60000) -- no lease lasts so long, also where other Lockers have another TTL

local removed = ''
for i, want in ipairs({'hash', 'string'}) do
  local is = redis.call('TYPE', KEYS[i]).ok
  if is ~= 'none' and is ~= want then
    redis.call('DEL', KEYS[i])
    removed = removed .. KEYS[i] .. ' was a ' .. is .. '; '
  end
end

local owner = redis.call('HGET', KEYS[1], 'attempt')
if owner == attempt then
  local token = tonumber(redis.call('HGET', KEYS[1], 'token'))
  if token then
    redis.call('PEXPIRE', KEYS[1], ttl)
    return {token, 0, removed}
  end
  owner = false -- somebody damaged the record in between: take it again
end

if owner then
  local left = redis.call('PTTL', KEYS[1])
  if left < 0 or left > longest then
    redis.call('PEXPIRE', KEYS[1], ttl)
    left = ttl
    removed = removed .. KEYS[1] .. ' did not end; '
  end
  return {0, left, removed}
end

local floor, stored = tonumber(ARGV[4]), redis.call('GET', KEYS[2])
local last = 0
if stored then
  if #stored <= 16 and string.find(stored, '^%d+$') and tonumber(stored) - floor <= tonumber(ARGV[7]) then
    last = tonumber(stored)
  else
    removed = removed .. KEYS[2] .. ' was no token; '
  end
end
local token = math.max(last, floor) + 1
local text = string.format('%.0f', token)
redis.call('SET', KEYS[2], text)
redis.call('HSET', KEYS[1], 'attempt', attempt, 'holder', holder, 'token', text, 'meta', ARGV[5])
redis.call('PEXPIRE', KEYS[1], ttl)
if ARGV[5] ~= '' then redis.call('PUBLISH', ARGV[6], 'acquired') end
return {token, 0, removed}
