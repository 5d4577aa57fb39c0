-- Makes what is held of this node in a place exactly what it says.
-- KEYS, ARGV as place.lua, and: ARGV 3.. json of Member, json of Person, and so on
local has = {}
for i = 3, #ARGV, 2 do has[cjson.decode(ARGV[i]).connection] = true end
local strays = {}
for _, cid in ipairs(redis.call('HKEYS', MEMBERS)) do
  if not has[cid] then strays[#strays + 1] = take_out(cid) end
end
for i = 3, #ARGV, 2 do put_in(ARGV[i], ARGV[i + 1]) end
for _, user in ipairs(strays) do let_go(user) end
return finish()
