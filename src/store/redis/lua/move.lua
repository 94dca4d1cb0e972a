-- What replace.lua does about all other sessions. `stamp` is that of a place that was taken or kept for
-- this one, '' if none was, and '*' if the index is in reach. A session keeps its place for as long as it
-- is the same subject's: somebody may be on the way to end it there.
local head, version, seen, ends, place, rest = read(KEYS[1])
if not head or ends <= now then return 'gone' end
if version ~= expected then return 'stale' end

local idle, absolute = string.match(value, '^(%d+) (%d+) ', 68)
if string.sub(value, 24, 43) < seen then
  ends = deadline(seen, idle, absolute)
  at = expiry(ends)
  value = string.sub(value, 1, 23) .. seen .. ' ' .. ends .. string.sub(value, 65)
end

local entry, costs = '-', ''
if owner ~= '' then
  local line = string.find(value, '\n', 1, true)
  local stays = owner == string.match(place, '^%x+')
  if stays then
    local form = '^[^\n]*\n'
    local before = string.match(head, form)
      or string.match(redis.call('GETRANGE', KEYS[1], 0, -1), form)
    costs = string.match(before, '( %S+/.*)\n', rest) or ''
    entry = place
  end
  if not stays or padded(absolute) > padded(string.match(head, '^%d+ (%d+) ', rest) or '') then
    -- The place in the index comes first, and must last as long as the session may.
    local kept = stays and string.match(place, '/(%d+)$') or nil
    if stamp == '' then
      return { 'index', kept or '' }
    elseif stamp == '*' then
      local prefix, id = string.match(KEYS[1], '^(.*)session:(.*)$')
      local index = prefix .. 'subject:' .. owner
      -- An error if their slot moves and one of them is elsewhere: else the index would be in two.
      redis.call('EXISTS', KEYS[1], index)
      entry = owner .. '/' .. enter(index, id, absolute, kept)
    elseif not stays then
      entry = owner .. '/' .. stamp
    end
  end
  value = string.sub(value, 1, 65) .. entry .. string.sub(value, 67, line - 1) .. costs
    .. string.sub(value, line)
end

redis.call('SET', KEYS[1], value, 'PXAT', at)
if place == '-' or place == entry then return 'done' end
if stamp ~= '*' then return { 'done', place } end
leave(KEYS[1], place)
return 'done'
