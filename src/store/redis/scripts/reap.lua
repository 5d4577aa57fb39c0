-- Takes out of a place all that a node left behind, without grace. Twice is once.
-- KEYS, ARGV as place.lua, the node being the dead one
local users = {}
for _, cid in ipairs(redis.call('HKEYS', MEMBERS)) do users[#users + 1] = take_out(cid) end
for _, user in ipairs(users) do let_go(user) end
redis.call('SREM', NODES, NODE)
-- Nobody is left who would sweep.
if redis.call('EXISTS', NODES) == 0 then end_graces('+inf') end
return finish()
