-- Creates a session without a subject in place of another, in one step. All keys are in one place.
local now, value, at = unpack(ARGV)
if not redis.call('SET', KEYS[1], value, 'PXAT', at, 'NX') then
  local head, _, _, ends, place = read(KEYS[1])
  if head and now < ends then return 'exists' end
  redis.call('SET', KEYS[1], value, 'PXAT', at)
  if head then leave(KEYS[1], place) end
end
return finish(KEYS[2], now) and 'replaced' or 'done'
