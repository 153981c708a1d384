-- Give the lock back if it is still this attempt's, and see to the holder's place among the priority waiters.
-- KEYS: lease, priority waiters. ARGV: attempt, holder, channel, ms to hold the place (0: drop it, -1: leave it be).
-- Returns 1 when the lock was this attempt's, else 0.
local mine, dropped, place = 0, 0, tonumber(ARGV[4])
if redis.call('HGET', KEYS[1], 'attempt') == ARGV[1] then mine = redis.call('DEL', KEYS[1]) end
if place > 0 then
  local clock = redis.call('TIME')
  local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
  redis.call('ZADD', KEYS[2], string.format('%.0f', now + place), ARGV[2])
  if redis.call('PTTL', KEYS[2]) < place then redis.call('PEXPIRE', KEYS[2], place) end
elseif place == 0 then
  dropped = redis.call('ZREM', KEYS[2], ARGV[2])
end
if mine + dropped > 0 then redis.call('PUBLISH', ARGV[3], 'released') end
return mine
