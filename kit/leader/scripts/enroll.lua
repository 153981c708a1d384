-- Puts a replica into the roster, or takes it out, and clears out those whose time has passed.
-- What no replica can have written (a key of another type, an end far away) goes too: nobody else would remove it.
-- KEYS: roster. ARGV: id, description ('' takes it out), TTL in ms. A value is "<Redis time of its end in ms> <description>".
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if redis.call('TYPE', KEYS[1]).ok ~= 'hash' then
  redis.call('DEL', KEYS[1])
end
local latest = now + 10 * ARGV[3]
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local ends = string.match(all[i + 1], '^%d+')
  ends = ends and tonumber(ends)
  if not ends or ends <= now or ends > latest then
    redis.call('HDEL', KEYS[1], all[i])
  end
end
if ARGV[2] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
  return 0
end
redis.call('HSET', KEYS[1], ARGV[1], string.format('%d', now + ARGV[3]) .. ' ' .. ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
