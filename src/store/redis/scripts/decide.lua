-- Begins or lifts a measure, records the act and tells it, in one step.
-- KEYS 1 rules  2 record
-- ARGV 1 'begin', 'lift', 'set' or 'note'  2 the field  3 its end in ms, or 0; of 'set': its value
--      4 json of the act  5 the most fields, but roles  6 acts kept  7 channel  8 the envelope
-- Gives OK version | FULL
local RULES, RECORD = KEYS[1], KEYS[2]
local what, field, number = ARGV[1], ARGV[2], ARGV[3]

if what == 'begin' then
  local has = redis.call('HLEN', RULES) - tonumber(redis.call('HGET', RULES, 'roles') or 0)
  if redis.call('HEXISTS', RULES, field) == 0 and has >= tonumber(ARGV[5]) then
    local clock, over = redis.call('TIME'), {}
    local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
    local all = redis.call('HGETALL', RULES)
    for i = 1, #all, 2 do
      local ends = tonumber(string.match(all[i + 1], '^(%d+) ') or '')
      if ends and ends > 0 and ends <= now then over[#over + 1] = all[i] end
    end
    if #over == 0 then return { 'FULL' } end
    for _, name in ipairs(over) do redis.call('HDEL', RULES, name) end
  end
  redis.call('HSET', RULES, field, number .. ' ' .. ARGV[4])
elseif what == 'lift' then
  redis.call('HDEL', RULES, field)
elseif what == 'set' then
  redis.call('HSET', RULES, field, number)
end
local version = redis.call('HINCRBY', RULES, 'version', 1)
redis.call('XADD', RECORD, 'MAXLEN', '~', ARGV[6], '*', 'd', ARGV[4])
redis.call('SPUBLISH', ARGV[7], ARGV[8])
return { 'OK', tostring(version) }
