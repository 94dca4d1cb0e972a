-- Ends a session if it has this place in the index. Answers whether it was live.
local now, entry = unpack(ARGV)
local known, head, _, _, ends, place = pcall(read, KEYS[1])
if not known or not head or place ~= entry then return '0' end
redis.call('DEL', KEYS[1])
return now < ends and '1' or '0'
