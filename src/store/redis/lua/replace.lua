-- Writes over a session if it has the expected version.
local now, expected, value, at, owner, stamp = unpack(ARGV)
local head, version, seen, ends, place, rest = read(KEYS[1])
if not head or ends <= now then return 'gone' end
if version ~= expected then return 'stale' end
if place == '-' and owner == '' and seen <= string.sub(value, 24, 43) then
  redis.call('SET', KEYS[1], value, 'PXAT', at)
  return 'done'
end

