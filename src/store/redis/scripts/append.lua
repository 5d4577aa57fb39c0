-- Appends a message: deduplicates, numbers, stores and tells it, in one step.
-- KEYS 1 meta  2 log  3 idempotency  4 rules  5 pace of its author
-- ARGV 1 tail ("<mid> <json>")  2 mid  3 hash of author and text  4 an epoch, should one be needed
--      5 entries kept  6 idempotency s  7 ms at which the mid was made, or ''  8 age kept in ms, or 0
--      9 channel  10 '1': a replica will be waited for  11 µs between two of an author's messages, or 0
--      12 how many at once  13 the same two of all messages of the room, or 0  14
--      15 '1': nobody writes here without a role  16 the field of its author's role
--      17… what may hold against the author: bans and mutes by turns; none: nothing does
-- Gives DUP epoch seq ts | CONFLICT | EXPIRED | UNSURE | OK epoch seq ts heard_by | ABSENT | READ_ONLY
--       | BANNED ms left | MUTED ms left (both '': for ever) | PACE ms to wait | SLOW ms to wait
-- Scripts do not roll back: all that can refuse comes before the first write. No shebang, so that
-- a repeat is still recognised by a Redis that takes no writes.
local META, LOG, IDEM, RULES, PACE = unpack(KEYS)
local tail, mid, hash, fresh = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local kept, idem_s, made, age = ARGV[5], ARGV[6], ARGV[7], tonumber(ARGV[8])

local before = redis.call('GET', IDEM)
if before then
  local e, s, t, h = string.match(before, '^([^:]+):(%d+):(%d+):(.*)$')
  if h ~= hash then return { 'CONFLICT' } end
  -- WAIT asks about the last write of its connection; without one it would ask about nothing.
  if ARGV[10] == '1' then
    local left = redis.call('PTTL', IDEM)
    if type(redis.pcall('PEXPIRE', IDEM, math.max(left, 1))) == 'table' then return { 'UNSURE' } end
  end
  return { 'DUP', e, s, t }
end
local clock = redis.call('TIME')
local now_us = clock[1] * 1000000 + clock[2]
local now = math.floor(now_us / 1000)
if made ~= '' and now - tonumber(made) > idem_s * 1000 then return { 'EXPIRED' } end

local every, burst, slow = tonumber(ARGV[11]), tonumber(ARGV[12]), nil
if ARGV[17] or ARGV[15] == '1' then
  local rules = redis.call('HMGET', RULES, 'slow', 'announce', unpack(ARGV, 16))
  local role, moderates = rules[3], rules[3] == 'owner' or rules[3] == 'moderator'
  if ARGV[15] == '1' and not role then return { 'ABSENT' } end
  for i = 4, moderates and 0 or #rules do
    local ends = rules[i] and tonumber(string.match(rules[i], '^%d+'))
    if ends and (ends == 0 or ends > now) then
      return { i % 2 == 0 and 'BANNED' or 'MUTED', ends > 0 and tostring(ends - now) or '' }
    end
  end
  if role == 'read_only' or (rules[2] == '1' and not moderates) then return { 'READ_ONLY' } end
  slow = not moderates and tonumber(rules[1] or '')
  if slow and slow > 0 then every, burst = slow * 1000, 1 end
end
-- Each message takes `every` µs of its author's time, of which there are `burst` times that in advance.
local function wait_ms(taken, step, most)
  return math.ceil((taken - now_us - step * (most - 1)) / 1000)
end
local mine, all
if every > 0 then
  mine = math.max(tonumber(redis.call('GET', PACE) or '') or 0, now_us)
  local wait = wait_ms(mine, every, burst)
  if wait > 0 then return { slow and slow > 0 and 'SLOW' or 'PACE', tostring(wait) } end
end

-- Meta is lost alone only by a hand's slip; the log still knows its epoch and where it ends.
local meta = redis.call('HMGET', META, 'e', 's', 'p', 't')
local room_every = tonumber(ARGV[13])
if room_every > 0 then
  all = math.max(tonumber(meta[3] or '') or 0, now_us)
  local wait = wait_ms(all, room_every, tonumber(ARGV[14]))
  if wait > 0 then return { 'PACE', tostring(wait) } end
end
local epoch, seq = meta[1], tonumber(meta[2] or '')
if not epoch or not seq then
  local last = redis.call('XREVRANGE', LOG, '+', '-', 'COUNT', 1)[1]
  epoch = last and string.match(last[2][2], '^e%d+ (%S+) ') or fresh
  seq = last and tonumber(string.match(last[1], '^%d+')) or 0
end

-- '%.0f': a double would turn to 1e+15 by itself.
local number, ts = string.format('%.0f', seq + 1), string.format('%.0f', now)
local entry = 'e1 ' .. epoch .. ' ' .. number .. ' ' .. ts .. ' ' .. tail
-- What is no log is told here, before anything is written.
redis.call('XADD', LOG, 'MAXLEN', '~', kept, number .. '-0', 'd', entry)
local fields = { 'e', epoch, 's', number, 'm', mid, 't', ts }
if all then
  fields[9], fields[10] = 'p', string.format('%.0f', all + room_every)
end
redis.call('HSET', META, unpack(fields))
if mine then
  local taken = mine + every
  redis.call('SET', PACE, string.format('%.0f', taken), 'PX', math.ceil((taken - now_us) / 1000))
end
redis.call('SET', IDEM, epoch .. ':' .. number .. ':' .. ts .. ':' .. hash, 'EX', idem_s)

-- Age is looked at once in a 64th of it, by the first message of each: what goes a little later than
-- it might is not read meanwhile, and nothing goes early.
local step = math.max(math.floor(age / 64), 1)
local last_ts = tonumber(meta[4] or '')
if age > 0 and not (last_ts and math.floor(last_ts / step) == math.floor(now / step)) then
  redis.call('PEXPIRE', LOG, string.format('%.0f', age + step))
  local function ts_of(found) return tonumber(string.match(found[2][2], '^e%d+ %S+ %d+ (%d+)')) or now end
  -- At most 1,000 at once, so that nobody waits for it; the rest goes with the next step.
  local front, first = redis.call('XRANGE', LOG, '-', '+', 'COUNT', 1), 1
  if front[1] and ts_of(front[1]) < now - age then
    front = redis.call('XRANGE', LOG, '-', '+', 'COUNT', 1001)
    while first < #front and ts_of(front[first]) < now - age do first = first + 1 end
    redis.call('XTRIM', LOG, 'MINID', front[first][1])
  end
elseif age == 0 then
  -- There may have been an age before; what it began must not end what is kept for ever now.
  redis.call('PERSIST', LOG)
end
local heard_by = redis.call('SPUBLISH', ARGV[9], entry)
return { 'OK', epoch, number, ts, tostring(heard_by) }
