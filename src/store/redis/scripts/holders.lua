-- A page of who has a role in a room, by user id.
-- KEYS 1 rules  2 holders  ARGV 1 from where, as ZRANGEBYLEX takes it  2 the most
-- Gives '1' if there are more, else '0'; then user and role, by turns
local RULES, HOLDERS = KEYS[1], KEYS[2]
local most = tonumber(ARGV[2])

-- Releases before these were kept in order change the rules alone.
local function write_anew()
  redis.call('DEL', HOLDERS)
  local has = 0
  for _, field in ipairs(redis.call('HKEYS', RULES)) do
    local user = string.match(field, '^role (.+)$')
    if user then has = has + redis.call('ZADD', HOLDERS, 0, user) end
  end
  redis.call('HSET', RULES, 'roles', has)
end

-- Nothing, if somebody in it has no role any more.
local function page()
  local users = redis.call('ZRANGEBYLEX', HOLDERS, ARGV[1], '+', 'LIMIT', 0, most + 1)
  local reply = { #users > most and '1' or '0' }
  for i = 1, math.min(#users, most) do
    local role = redis.call('HGET', RULES, 'role ' .. users[i])
    if not role then return nil end
    reply[2 * i], reply[2 * i + 1] = users[i], role
  end
  return reply
end

local has = tonumber(redis.call('HGET', RULES, 'roles') or 0)
local reply = redis.call('ZCARD', HOLDERS) == has and page()
if not reply then
  write_anew()
  reply = page()
end
return reply
