-- Ends a session and answers whether it was live. What cannot be read ends as well.
local function finish(key, now)
  local old = redis.pcall('GETDEL', key)
  if not old then return false end
  if type(old) == 'table' then return redis.call('DEL', key) == 1 end -- of another type
  local ends, place = string.match(old, '^1 %d+ %d+ (%d+) (%S+) ')
  if not ends then return true end
  leave(key, place)
  return now < ends
end

