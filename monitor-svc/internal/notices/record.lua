-- Records why a request ended without a preblock, once, and says so on the channel.
-- KEYS: the request's notice. ARGV: notice, TTL in ms, channel, request id.
-- Returns {what was recorded before, or "", what no monitor can have written and was replaced, or ""}.
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
if before and before ~= ARGV[1] then return {before, mended} end
if not before then redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
redis.call('PUBLISH', ARGV[3], ARGV[1])
return {before or '', mended}
