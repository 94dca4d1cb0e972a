-- Ends a session, or only the one with this place in the index. Answers whether it was live, and
-- its place.
local prefix, id, now, entry, whole = unpack(ARGV)
local readable, row = pcall(find, KEYS[1])
if not readable then
  if entry ~= '' then return { '0', '' } end
  return { tostring(redis.call('DEL', KEYS[1])), '' }
end
if not row or (entry ~= '' and row.entry ~= entry) then return { '0', '' } end
redis.call('DEL', KEYS[1])
if whole == '1' then leave(prefix, id, row.entry) end
return { live(row, now) and '1' or '0', row.entry }
