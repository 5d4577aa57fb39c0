-- Renews a node's lease on Redis' own clock.
-- KEYS 1 leases  ARGV 1 node  2 ms
-- Gives held | fenced (it was missing or had run out; it is there again)
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local ends = redis.call('ZSCORE', KEYS[1], ARGV[1])
redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[2]), ARGV[1])
return { ends and tonumber(ends) > now and 'held' or 'fenced' }
