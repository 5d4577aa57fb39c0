-- A page of the people in a place, by user id.
-- KEYS 1 users  2 people  ARGV 1 from where, as ZRANGEBYLEX takes it  2 the most
-- Gives how many there are in all, the last user of this page or '' at the end, json of Person ...
local most = tonumber(ARGV[2])
local users = redis.call('ZRANGEBYLEX', KEYS[1], ARGV[1], '+', 'LIMIT', 0, most + 1)
local reply = { tostring(redis.call('ZCARD', KEYS[1])), '' }
for i = 1, math.min(#users, most) do
  local person = redis.call('HGET', KEYS[2], users[i])
  if person then reply[#reply + 1] = person end
end
if most > 0 and #users > most then reply[2] = users[most] end
return reply
