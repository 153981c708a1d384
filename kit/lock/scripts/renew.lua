-- Lengthen the lease if it is still this attempt's.
-- KEYS: lease. ARGV: attempt, ttl ms. Returns 1 when it is, 0 when it is gone or another's.
if redis.call('HGET', KEYS[1], 'attempt') ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
