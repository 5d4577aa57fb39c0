-- Reads a page of a log, with all that must be seen at the same moment.
-- KEYS 1 meta  2 log
-- ARGV 1 newest | before | after | around  2 seq  3 the most entries  4 entries kept
--      5 age kept in ms, or 0
-- Gives epoch ('': nobody has written here), head, its mid or '', the oldest seq kept, the entry at
-- seq or '', and the entries in rising order
local META, LOG = KEYS[1], KEYS[2]
local range, at, most = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local kept, age = tonumber(ARGV[4]), tonumber(ARGV[5])

local function number(n) return string.format('%.0f', n) end
local function seq_of(found) return tonumber(string.match(found[1], '^%d+')) end
local function ts_of(found) return tonumber(string.match(found[2][2], '^e%d+ %S+ %d+ (%d+)')) end
local function from(seq) return redis.call('XRANGE', LOG, number(seq) .. '-0', '+', 'COUNT', 1)[1] end

local meta = redis.call('HMGET', META, 'e', 's', 'm')
local epoch, head, mid = meta[1], tonumber(meta[2] or ''), meta[3]
if not epoch or not head then
  local last = redis.call('XREVRANGE', LOG, '+', '-', 'COUNT', 1)[1]
  if not last then return { '', '0', '', '1', '' } end
  epoch, mid = string.match(last[2][2], '^e%d+ (%S+) %d+ %d+ (%S+)')
  head = seq_of(last)
  if not epoch then return { '', '0', '', '1', '' } end
end

-- The oldest entry that counts as kept; what is past its age, or beyond the number, may still lie
-- there. Ages rise with numbers, so the first young enough is found by halving.
local function oldest()
  local low = math.max(1, head - kept + 1)
  local found = from(low)
  if not found then return head + 1 end
  low = seq_of(found)
  if age == 0 then return low end
  local clock = redis.call('TIME')
  local born = clock[1] * 1000 + math.floor(clock[2] / 1000) - age
  local high = head + 1
  while low < high do
    local middle = math.floor((low + high) / 2)
    local there = from(middle)
    if there and (ts_of(there) or born) < born then
      low = seq_of(there) + 1
    else
      high = middle
    end
  end
  local young = from(low)
  return young and seq_of(young) or head + 1
end
local first = oldest()

local entries = {}
local function older_than(seq, count)
  if count < 1 or seq <= first then return end
  local found = redis.call('XREVRANGE', LOG, number(seq - 1) .. '-0', number(first) .. '-0', 'COUNT', count)
  for i = #found, 1, -1 do entries[#entries + 1] = found[i][2][2] end
end
local function newer_than(seq, count)
  if count < 1 then return end
  local low = number(math.max(seq + 1, first)) .. '-0'
  for _, found in ipairs(redis.call('XRANGE', LOG, low, '+', 'COUNT', count)) do
    entries[#entries + 1] = found[2][2]
  end
end
if range == 'newest' then
  older_than(head + 1, most)
elseif range == 'before' then
  older_than(math.min(at, head + 1), most)
elseif range == 'after' then
  newer_than(at, most)
else
  local half = math.floor(most / 2)
  older_than(math.min(at, head + 1), half)
  newer_than(at - 1, most - half)
end

local there = at >= first and at <= head and from(at) or nil
there = there and seq_of(there) == at and there[2][2] or ''
local reply = { epoch, number(head), mid or '', number(first), there }
for _, entry in ipairs(entries) do reply[#reply + 1] = entry end
return reply
