-- Creates a session without a subject in place of another, in one step. All keys are in one place.
local now, value, at = unpack(ARGV)
if not redis.call('SET', KEYS[1], value, 'PXAT', at, 'NX') then
  local head, _, _, ends, place = read(KEYS[1])
  if head and now < ends then return 'exists' end
  redis.call('SET', KEYS[1], value, 'PXAT', at)
  if head then leave(KEYS[1], place) end
end
-- One that cannot be read is as good as none.
local known, head, _, _, ends, place = pcall(read, KEYS[2])
if not known or not head then return { 'done', '0' } end
redis.call('DEL', KEYS[2])
if place ~= '-' then leave(KEYS[2], place) end
return { 'done', now < ends and '1' or '0' }
