-- A connection of this node enters a place, or is renamed in it.
-- KEYS, ARGV as place.lua, and: ARGV 3 json of Member  4 json of Person
put_in(ARGV[3], ARGV[4])
return finish()
