-- Puts a room on the list of those that somebody is in for good, or notes again that it is there.
-- KEYS 1 the list  ARGV 1 room  2 value  3 the most rooms
-- Gives NEW | KEPT | FULL
local is_there = redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1
if not is_there and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[3]) then return { 'FULL' } end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return { is_there and 'KEPT' or 'NEW' }
