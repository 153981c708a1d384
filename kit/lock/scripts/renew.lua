-- Lengthen the lease if it is still this attempt's, and write its record again where it was changed.
-- KEYS: lease. ARGV: attempt, ttl ms, holder, token, meta, channel. Returns 1 when it is, 0 when it is gone or another's.
if redis.call('HGET', KEYS[1], 'attempt') ~= ARGV[1] then return 0 end
local has = redis.call('HMGET', KEYS[1], 'holder', 'token', 'meta')
-- Only then: a Redis that is full refuses to write, and lengthens leases still.
if has[1] ~= ARGV[3] or has[2] ~= ARGV[4] or has[3] ~= ARGV[5] then
  redis.call('HSET', KEYS[1], 'holder', ARGV[3], 'token', ARGV[4], 'meta', ARGV[5])
  if ARGV[5] ~= '' then redis.call('PUBLISH', ARGV[6], 'acquired') end
end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
