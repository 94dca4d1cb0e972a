-- Creates a session and ends those that it costs, in one step. All keys are in one place.
local prefix, id, now, meta, absolute, ends, data, subject, owner, replacing, max, excess, context =
  unpack(ARGV)
local key = KEYS[1]

local old = redis.call('EXISTS', key) == 1 and find(key) or nil
if live(old, now) then return { 'exists' } end

local replaced = replacing ~= '' and replacing ~= id and look(session_key(prefix, replacing)) or nil

-- The subject's live sessions, and places whose session has gone.
local held, void = {}, {}
if max ~= '' and owner ~= '' then
  for _, member in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
    local other, stamp = string.match(member, '^(%S+) (%d+)$')
    local row = other and look(session_key(prefix, other))
    if not row or row.entry ~= owner .. ' ' .. stamp then
      void[#void + 1] = member
    elseif other ~= id and other ~= replacing and live(row, now) then
      held[#held + 1] = { id = other, row = row }
    end
  end
end

local answer = { 'done', live(replaced, now) and '1' or '0' }
local surplus = #held + 1 - (tonumber(max) or math.huge)
if surplus > 0 then
  if excess == 'deny' then return { 'limit' } end
  table.sort(held, function(a, b)
    if a.row.created ~= b.row.created then return less(a.row.created, b.row.created) end
    return a.id < b.id
  end)
  for place = 1, math.min(surplus, #held) do
    drop(prefix, held[place].id, held[place].row)
    answer[#answer + 1] = held[place].id
  end
end

for _, member in ipairs(void) do redis.call('ZREM', KEYS[2], member) end
if replaced then drop(prefix, replacing, replaced) end
if old then drop(prefix, id, old) end
redis.call('HSET', key, 'meta', meta, 'data', data)
set_context(key, context)
if owner ~= '' then
  -- A few places at a time are looked at, so that those of sessions that expired do not pile up.
  for _, member in ipairs(redis.call('ZRANDMEMBER', KEYS[2], 4)) do
    local other, stamp = string.match(member, '^(%S+) (%d+)$')
    local row = other and look(session_key(prefix, other))
    if not row or row.entry ~= owner .. ' ' .. stamp then redis.call('ZREM', KEYS[2], member) end
  end
  local stamp = enter(KEYS[2], id, absolute)
  redis.call('HSET', key, 'subject', subject, 'entry', owner .. ' ' .. stamp)
end
expire(key, ends)
return answer
