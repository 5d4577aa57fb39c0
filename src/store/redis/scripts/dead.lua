-- A node whose lease has run out, if there is one other than the asker. With a second node given:
-- that one, if it is (still) dead.
-- KEYS 1 leases  ARGV 1 who asks  2 node, or ''
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
if ARGV[2] ~= '' then
  local ends = redis.call('ZSCORE', KEYS[1], ARGV[2])
  if ends and tonumber(ends) <= now then return { ARGV[2] } end
  return {}
end
local limit = string.format('%.0f', now)
for _, node in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', limit, 'LIMIT', 0, 2)) do
  if node ~= ARGV[1] then return { node } end
end
return {}
