-- A connection of this node leaves a place.
-- KEYS, ARGV as place.lua, and: ARGV 3 connection  4 user  5 grace in ms, or 0
take_out(ARGV[3])
local user, grace = ARGV[4], tonumber(ARGV[5])
local gone = redis.call('EXISTS', OF_USER .. user) == 0 and redis.call('HEXISTS', PEOPLE, user) == 1
if gone and grace > 0 then
  -- NX: leaving twice does not make the grace longer.
  redis.call('ZADD', LEAVING, 'NX', string.format('%.0f', now + grace), user)
elseif gone then
  let_go(user)
end
return finish()
