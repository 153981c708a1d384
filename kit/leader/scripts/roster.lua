-- Gives the descriptions of the replicas in a roster whose time has not passed. KEYS: roster.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local alive = {}
for _, value in ipairs(redis.call('HVALS', KEYS[1])) do
  local ends, description = string.match(value, '^(%d+) (.*)$')
  if ends and tonumber(ends) > now then
    table.insert(alive, description)
  end
end
return alive
