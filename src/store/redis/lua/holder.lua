-- The session that has a place in an index: its beginning, its end and where the rest begins. Or nil, and
-- whether nobody has the place: there is no such session, or it has another one. What cannot be read
-- may have it. While a slot moves a key may be on the other node, which asking for two keys tells: it is
-- an error unless both are here or the slot is.
local function holder(index, key, entry)
  local known, head, _, _, ends, place, rest = pcall(read, key)
  if not known then
    local why = type(head) == 'table' and head.err or head
    if string.find(why, 'UNDECODABLE', 1, true) or string.find(why, 'WRONGTYPE', 1, true) then
      return nil, false
    end
    error(head, 0)
  end
  if head and place == entry then return head, false, ends, rest end
  if not head then redis.call('EXISTS', key, index) end
  return nil, true
end

