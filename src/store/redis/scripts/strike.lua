-- Takes a room off a list, if what is noted of it is still this.
-- KEYS 1 the list  ARGV 1 room  2 value
-- Gives OK
if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then redis.call('HDEL', KEYS[1], ARGV[1]) end
return { 'OK' }
