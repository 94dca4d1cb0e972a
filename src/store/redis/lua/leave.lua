-- Gives up the place of the session with this key, if it has one.
local function leave(key, place)
  if place == '-' then return end
  local prefix, id = string.match(key, '^(.*)session:(.*)$')
  local owner, stamp = string.match(place, '^(%x+)/(%d+)$')
  if owner then redis.call('ZREM', prefix .. 'subject:' .. owner, id .. ' ' .. stamp) end
end

