-- Records why a request ended without a preblock, once, and says so on the channel.
-- KEYS: the request's notice, the state of the proposers' FIFO, its requests. ARGV: notice, TTL in ms, channel, request id,
-- state of a request that is ending.
-- Returns {what was recorded before, or "", what no monitor can have written and was replaced, or "", "1" if there is a
-- notice now}.
local before, mended = false, ''
local is = redis.call('TYPE', KEYS[1]).ok
if is == 'string' then
  before = redis.call('GET', KEYS[1])
  local read, notice = pcall(cjson.decode, before)
  if not read or type(notice) ~= 'table' or notice.request_id ~= ARGV[4] then
    before, mended = false, 'no notice of this request'
  end
elseif is ~= 'none' then
  mended = 'a ' .. is
end

-- After a failover to an older copy the request may be waiting again, or have a proposal: a notice that comes then, from
-- a monitor that was paused, would be a second end of it.
local function ending()
  if redis.call('HGET', KEYS[2], 'current') ~= ARGV[4] then return false end
  local read, request = pcall(cjson.decode, redis.call('HGET', KEYS[3], ARGV[4]) or '')
  return read and type(request) == 'table' and request.state == tonumber(ARGV[5])
end

if before and before ~= ARGV[1] then return {before, mended, '1'} end
if not before then
  if not ending() then return {'', mended, ''} end
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
redis.call('PUBLISH', ARGV[3], ARGV[1])
return {before or '', mended, '1'}
