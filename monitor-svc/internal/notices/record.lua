-- Records why a request ended without a preblock, once, and says so on the channel.
-- KEYS: the request's notice. ARGV: notice, TTL in ms, channel. Returns what was recorded before, or "".
local before = redis.call('GET', KEYS[1])
if before and before ~= ARGV[1] then return before end
if not before then redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
redis.call('PUBLISH', ARGV[3], ARGV[1])
return before or ''
