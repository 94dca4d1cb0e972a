-- Gives up the place of the session with this key, if it has one. That comes last and may fail where the
-- index is on another node: a place without a session is harmless.
local function leave(key, place)
  if place == '-' then return end
  local prefix, id = string.match(key, '^(.*)session:(.*)$')
  local owner, stamp = string.match(place, '^(%x+)/(%d+)$')
  if owner then redis.pcall('ZREM', prefix .. 'subject:' .. owner, id .. ' ' .. stamp) end
end

