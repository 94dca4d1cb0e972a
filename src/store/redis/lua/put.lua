-- Writes a new record over one that has ended by the clock of the call. Answers the place that the
-- old one had.
local now, value, at = unpack(ARGV)
local head, _, _, ends, place = read(KEYS[1])
if head and now < ends then return 'exists' end
redis.call('SET', KEYS[1], value, 'PXAT', at)
return { 'done', place or '-' }
