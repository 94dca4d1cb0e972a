-- Takes a place in a subject's index, if the index is as it was seen, or keeps one for longer. Answers the
-- place's stamp and a few other places to look after.
local id, absolute, digest, kept = unpack(ARGV)
if digest ~= '' then
  local members = redis.call('ZRANGE', KEYS[1], 0, -1)
  if redis.sha1hex(table.concat(members, ',')) ~= digest then return { 'changed' } end
end
local others = redis.call('ZRANDMEMBER', KEYS[1], 4)
return { 'done', enter(KEYS[1], id, absolute, kept ~= '' and kept or nil), unpack(others) }
