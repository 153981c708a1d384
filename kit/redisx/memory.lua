-- A memory of what ended, by id: two hashes, the newer one written, the older one only read. When the newer one is full or old, it
-- becomes the older one, whole. So each step costs the same however much is remembered, no key is made for an id, and the number of
-- ids is bounded: an id is known for its life, unless more others than a hash holds came after it.
local function recall(newer, older, id)
  return redis.call('HGET', newer, id) or redis.call('HGET', older, id)
end

local function remember(newer, older, id, value, life, most)
  local left = redis.call('PTTL', newer) -- -2 without the key, -1 when somebody else wrote it
  if left ~= -2 and (left <= tonumber(life) or redis.call('HLEN', newer) >= tonumber(most)) then
    redis.call('UNLINK', older)
    redis.call('RENAME', newer, older)
    redis.call('PEXPIRE', older, life)
    left = -2
  end
  redis.call('HSET', newer, id, value)
  if left == -2 then redis.call('PEXPIRE', newer, 2 * life) end
end

