-- Records why a request ended without a preblock, once, and says so on the channel.
-- KEYS: the request's notice, the id of the request that is ending. ARGV: notice, TTL in ms, channel, request id.
-- Returns {what was recorded before, or "", what no monitor can have written and was replaced, or "", "1" if there is a
-- notice now}.
local before, replaced = false, ''
local is = redis.call('TYPE', KEYS[1]).ok
if is == 'string' then
  before = redis.call('GET', KEYS[1])
  local read, notice = pcall(cjson.decode, before)
  if not read or type(notice) ~= 'table' or notice.request_id ~= ARGV[4] then
    before, replaced = false, 'no notice of this request'
  end
elseif is ~= 'none' then
  replaced = 'a ' .. is
end

-- After a failover to an older copy the request may be waiting again, or have a proposal. A notice recorded then, by a
-- monitor that was paused, would end it a second time.
local function ending()
  return redis.call('TYPE', KEYS[2]).ok == 'string' and redis.call('GET', KEYS[2]) == ARGV[4]
end

if before and before ~= ARGV[1] then return {before, replaced, '1'} end
if not before then
  if not ending() then return {'', replaced, ''} end
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
redis.call('PUBLISH', ARGV[3], ARGV[1])
return {before or '', replaced, '1'}
