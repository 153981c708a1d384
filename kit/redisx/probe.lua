-- The commands of this system's scripts, on one key and one channel. What Redis refuses here, it would refuse them.
-- KEYS: probe.  ARGV: channel.
local key = KEYS[1]
redis.call('SET', key, '') -- first: after another write a full Redis does not refuse the rest of a script
redis.call('DEL', key)
redis.call('TYPE', key)
redis.call('HSET', key, 'a', '1', 'b', '2')
for _, command in ipairs({'HGETALL', 'HLEN', 'HVALS'}) do redis.call(command, key) end
for _, command in ipairs({'HGET', 'HMGET', 'HEXISTS', 'HDEL'}) do redis.call(command, key, 'a') end
redis.call('DEL', key)
redis.call('RPUSH', key, 'a')
redis.call('LPUSH', key, 'b')
redis.call('LLEN', key)
redis.call('LINDEX', key, 0)
redis.call('LREM', key, 1, 'a')
redis.call('LTRIM', key, 0, 1)
redis.call('SET', key, redis.call('TIME')[1])
redis.call('PEXPIRE', key, 1000)
redis.call('PTTL', key)
redis.call('GET', key)
redis.call('PUBLISH', ARGV[1], '')
return 1
