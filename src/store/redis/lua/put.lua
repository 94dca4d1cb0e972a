-- Writes a new record whose place in the index is taken already.
local now, meta, ends, data, subject, entry, costs, context = unpack(ARGV)
local old = find(KEYS[1])
if live(old, now) then return { 'exists' } end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'meta', meta, 'data', data)
set_context(KEYS[1], context)
if entry ~= '' then redis.call('HSET', KEYS[1], 'subject', subject, 'entry', entry) end
if costs ~= '' then redis.call('HSET', KEYS[1], 'costs', costs) end
expire(KEYS[1], ends)
return { 'done', old and old.entry or '' }
