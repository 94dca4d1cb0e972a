-- Writes over a session if it has the expected version.
local now, expected, value, at, owner, stamp = unpack(ARGV)

-- Most have no place in an index and were not used since they were loaded: these need no more than
-- the digits at the beginning of a record, `1 version seen ends -`.
local start = redis.call('GETRANGE', KEYS[1], 0, 66)
if owner == '' and string.sub(start, 65) == ' - ' and string.sub(start, 1, 23) == '1 ' .. expected .. ' '
  and string.sub(start, 24, 43) <= string.sub(value, 24, 43) and now < string.sub(start, 45, 64) then
  redis.call('SET', KEYS[1], value, 'PXAT', at)
  return 'done'
end

