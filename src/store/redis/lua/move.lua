-- What replace.lua does about a session with a place in an index, or that was used meanwhile. `stamp`
-- is that of a place that was taken for it, '' if none was, and '*' if the index is in reach.
local idle, absolute = string.match(value, '^(%d+) (%d+) ', 68)
if string.sub(value, 24, 43) < seen then
  ends = deadline(seen, idle, absolute)
  at = expiry(ends)
  value = string.sub(value, 1, 23) .. seen .. ' ' .. ends .. string.sub(value, 65)
end

local entry = '-'
if owner ~= '' then
  local costs = ''
  entry = place
  if owner == string.match(place, '^%x+') then
    local line = string.match(head, '^[^\n]*\n')
      or string.match(redis.call('GETRANGE', KEYS[1], 0, -1), '^[^\n]*\n')
    costs = string.match(line, '( %S+/.*)\n', rest) or ''
  else
    entry = nil
  end
  if not entry or padded(string.match(head, '^%d+ (%d+) ', rest) or '') < padded(absolute) then
    -- The place in the index comes first, and must last as long as the session may.
    if stamp == '*' then
      local prefix, id = string.match(KEYS[1], '^(.*)session:(.*)$')
      stamp = enter(prefix .. 'subject:' .. owner, id, absolute)
      leave(KEYS[1], place)
      place = '-'
    elseif stamp == '' then
      return 'index'
    end
    entry = owner .. '/' .. stamp
  end
  local line = string.find(value, '\n', 1, true)
  value = string.sub(value, 1, 65) .. entry .. string.sub(value, 67, line - 1) .. costs
    .. string.sub(value, line)
elseif stamp == '*' then
  leave(KEYS[1], place)
  place = '-'
end

redis.call('SET', KEYS[1], value, 'PXAT', at)
if entry == place or place == '-' then return 'done' end
return { 'done', place }
