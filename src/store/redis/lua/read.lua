-- What scripts read of a record (row.rs): its beginning, the version, last seen and the deadline with
-- twenty digits each, its place in an index or '-', and where the rest begins. Numbers stay text, for
-- Lua's would lose bits; of the same length they compare as they are. What is there and is no record
-- is an error: nobody writes over it.
local function read(key)
  local head = redis.call('GETRANGE', key, 0, 319)
  local version, seen, ends, place, rest = string.match(head, '^1 (%d+) (%d+) (%d+) (%S+) ()')
  if version and #version == 20 and #seen == 20 and #ends == 20 then
    return head, version, seen, ends, place, rest
  end
  if head == '' and redis.call('EXISTS', key) == 0 then return nil end
  error('UNDECODABLE')
end

