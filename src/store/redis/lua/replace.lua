-- Writes over a session if it has the expected version.
local prefix, id, now, expected, version, seen, idle, absolute, rest, data, subject, owner, stamp,
  whole, context = unpack(ARGV)
local key = KEYS[1]

local row = find(key)
if not live(row, now) then return { 'gone' } end
if row.version ~= expected then return { 'stale' } end

local before, entry = row.entry, row.entry
local moved = owner ~= (string.match(before, '^%x+') or '')
if owner == '' then
  entry = ''
elseif moved or less(row.absolute, absolute) then
  -- The place in the index comes first, and must last as long as the session may.
  if whole == '1' then
    stamp = enter(KEYS[2], id, absolute)
  elseif stamp == '' then
    return { 'index' }
  end
  entry = owner .. ' ' .. stamp
end

redis.call('HSET', key, 'data', data)
set_context(key, context)
if entry == '' then
  redis.call('HDEL', key, 'subject', 'entry')
elseif entry ~= before then
  redis.call('HSET', key, 'subject', subject, 'entry', entry)
end
write_meta(key, { version = version, seen = later(row.seen, seen), idle = idle,
  absolute = absolute, rest = rest })
if entry == before then return { 'done', '' } end
if whole == '1' then leave(prefix, id, before) end
return { 'done', before }
