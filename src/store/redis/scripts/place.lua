-- What all scripts over one place share; it stands before each of them.
-- KEYS 1 members of a node  2 nodes  3 leaving  4 users  5 people  6 order  7 classic
--      8 what the key of a user's connections begins with
-- ARGV 1 the node  2 the channel to tell the difference on, or ''  3.. the script's own
-- Each gives the difference as JSON, and 1 if the node has no more business here, else 0
local MEMBERS, NODES, LEAVING, USERS = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local PEOPLE, ORDER, CLASSIC, OF_USER = KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local NODE, CHANNEL = ARGV[1], ARGV[2]

local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local touched, before, names_differ = {}, {}, false

-- Remembers how a user was, so that the difference is told once and of the whole.
local function touch(user)
  if before[user] == nil then
    touched[#touched + 1] = user
    before[user] = redis.call('HGET', PEOPLE, user)
  end
end

local function stored(cid)
  local text = redis.call('HGET', MEMBERS, cid)
  if not text then return nil end
  local order, json = string.match(text, '^(%d+) (.*)$')
  return cjson.decode(json), order, json
end

local function tag(cid) return NODE .. '/' .. cid end
local function classic_tag(member)
  if not member.classic or type(member.name) ~= 'string' then return nil end
  return tag(member.connection) .. '/' .. member.name
end

local function unname(member)
  local named = classic_tag(member)
  if named and redis.call('ZREM', CLASSIC, named) == 1 then names_differ = true end
end

-- Takes a connection out; its user, if it was here, may still have to be let go.
local function take_out(cid)
  local member = stored(cid)
  if not member then return nil end
  touch(member.user)
  unname(member)
  redis.call('HDEL', MEMBERS, cid)
  redis.call('SREM', OF_USER .. member.user, tag(cid))
  if redis.call('EXISTS', MEMBERS) == 0 then redis.call('SREM', NODES, NODE) end
  return member.user
end

-- The user is gone, if no connection is left.
local function let_go(user)
  if redis.call('EXISTS', OF_USER .. user) == 1 then return end
  touch(user)
  redis.call('ZREM', LEAVING, user)
  redis.call('ZREM', USERS, user)
  redis.call('HDEL', PEOPLE, user)
end

-- Puts a connection in; json is its Member, person what others see of the user.
local function put_in(json, person)
  local member = cjson.decode(json)
  local cid, user = member.connection, member.user
  local old, order, old_json = stored(cid)
  if old_json == json and redis.call('SISMEMBER', OF_USER .. user, tag(cid)) == 1
    and redis.call('HEXISTS', PEOPLE, user) == 1 then return end
  if old and old.user ~= user then
    take_out(cid)
    let_go(old.user)
    old, order = nil, nil
  end
  if old and classic_tag(old) ~= classic_tag(member) then unname(old) end
  touch(user)
  order = order or redis.call('INCR', ORDER)
  redis.call('HSET', MEMBERS, cid, order .. ' ' .. json)
  redis.call('SADD', NODES, NODE)
  redis.call('SADD', OF_USER .. user, tag(cid))
  redis.call('ZREM', LEAVING, user)
  redis.call('ZADD', USERS, 0, user)
  redis.call('HSET', PEOPLE, user, person)
  local named = classic_tag(member)
  if named and redis.call('ZADD', CLASSIC, order, named) == 1 then names_differ = true end
end

-- Ends graces up to a time ('+inf': all).
local function end_graces(time)
  for _, user in ipairs(redis.call('ZRANGEBYSCORE', LEAVING, '-inf', time)) do
    redis.call('ZREM', LEAVING, user)
    let_go(user)
  end
end

-- Tells the difference. Lists are written by hand: cjson writes an empty one as {}.
local function finish()
  local joined, left, changed = {}, {}, {}
  for _, user in ipairs(touched) do
    local was, is = before[user], redis.call('HGET', PEOPLE, user)
    if is and not was then joined[#joined + 1] = is
    elseif was and not is then left[#left + 1] = was
    elseif was ~= is then changed[#changed + 1] = is end
  end
  local diff = '{"joined":[' .. table.concat(joined, ',') .. '],"left":[' .. table.concat(left, ',')
    .. '],"changed":[' .. table.concat(changed, ',') .. '],"count":' .. redis.call('ZCARD', USERS)
    .. ',"classic":' .. tostring(names_differ) .. '}'
  if CHANNEL ~= '' and (#joined + #left + #changed > 0 or names_differ) then
    redis.call('SPUBLISH', CHANNEL, 'p1 ' .. diff)
  end
  -- With no connection here there is nothing to be in order with, and nothing is to be left.
  if redis.call('EXISTS', NODES) == 0 then redis.call('DEL', ORDER) end
  local idle = redis.call('EXISTS', MEMBERS) == 0 and redis.call('EXISTS', LEAVING) == 0
  return { diff, idle and '1' or '0' }
end
