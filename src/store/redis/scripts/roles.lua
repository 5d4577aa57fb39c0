-- Changes who is what in a room, records the act and tells it, in one step.
-- KEYS 1 rules  2 record  3 meta  4 log  5 holders
-- ARGV 1 '1': only if nobody has ever written or had a role here  2 '1': only the owner and moderators
--      speak from now on  3 the most roles  4 json of the act  5 acts kept  6 channel  7 the envelope
--      8 how many were seen to be something  9… user and role, or '', by turns: as seen, then as it becomes
-- Gives OK | CHANGED | FULL
local RULES, RECORD, META, LOG, HOLDERS = unpack(KEYS)
local first_new = 9 + 2 * tonumber(ARGV[8])

local has = tonumber(redis.call('HGET', RULES, 'roles') or 0)
if ARGV[1] == '1' and (has > 0 or redis.call('EXISTS', META, LOG) > 0) then return { 'CHANGED' } end
local function role_of(user) return redis.call('HGET', RULES, 'role ' .. user) or '' end
for i = 9, first_new - 1, 2 do
  if role_of(ARGV[i]) ~= ARGV[i + 1] then return { 'CHANGED' } end
end
local more = 0
for i = first_new, #ARGV, 2 do
  local had, gets = role_of(ARGV[i]) ~= '', ARGV[i + 1] ~= ''
  if gets and not had then more = more + 1 elseif had and not gets then more = more - 1 end
end
if more > 0 and has + more > tonumber(ARGV[3]) then return { 'FULL' } end

for i = first_new, #ARGV, 2 do
  if ARGV[i + 1] ~= '' then
    redis.call('HSET', RULES, 'role ' .. ARGV[i], ARGV[i + 1])
    redis.call('ZADD', HOLDERS, 0, ARGV[i])
  else
    redis.call('HDEL', RULES, 'role ' .. ARGV[i])
    redis.call('ZREM', HOLDERS, ARGV[i])
  end
end
redis.call('HINCRBY', RULES, 'roles', more)
if ARGV[2] == '1' then redis.call('HSET', RULES, 'announce', 1) end
redis.call('HINCRBY', RULES, 'version', 1)
redis.call('XADD', RECORD, 'MAXLEN', '~', ARGV[5], '*', 'd', ARGV[4])
redis.call('SPUBLISH', ARGV[6], ARGV[7])
return { 'OK' }
