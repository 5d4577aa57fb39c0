-- Ends the grace of those whose time has come.
-- KEYS, ARGV as place.lua
end_graces(string.format('%.0f', now))
return finish()
