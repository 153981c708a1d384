-- Records why a request ended without a preblock, once, and says so on the channel.
-- KEYS: the memory of notices (memory.lua), newer and older, and the id of the request that is ending. ARGV: notice, its life in ms,
-- how many notices a hash of the memory has, channel, request id.
-- Returns {what was recorded before, or "", what no monitor can have written and was replaced, or "", "1" if there is a
-- notice now}.
local before, replaced = false, ''
for i = 1, 2 do
  local is = redis.call('TYPE', KEYS[i]).ok
  if is ~= 'none' and is ~= 'hash' then
    redis.call('DEL', KEYS[i])
    replaced = 'a ' .. is
  end
end
before = recall(KEYS[1], KEYS[2], ARGV[5])
if before then
  local read, notice = pcall(cjson.decode, before)
  if not read or type(notice) ~= 'table' or notice.request_id ~= ARGV[5] then
    before, replaced = false, 'no notice of this request'
  end
end

-- After a failover to an older copy the request may be waiting again, or have a proposal. A notice recorded then, by a
-- monitor that was paused, would end it a second time.
local function ending()
  return redis.call('TYPE', KEYS[3]).ok == 'string' and redis.call('GET', KEYS[3]) == ARGV[5]
end

if before and before ~= ARGV[1] then return {before, replaced, '1'} end
if not before then
  if not ending() then return {'', replaced, ''} end
  remember(KEYS[1], KEYS[2], ARGV[5], ARGV[1], ARGV[2], ARGV[3])
end
redis.call('PUBLISH', ARGV[4], ARGV[1])
return {before or '', replaced, '1'}
