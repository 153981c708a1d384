-- Give the lock back if it is still this attempt's.
-- KEYS: lease. ARGV: attempt, channel. Returns 1 when the lock was this attempt's, else 0.
if redis.call('HGET', KEYS[1], 'attempt') ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('PUBLISH', ARGV[2], 'released')
return 1
