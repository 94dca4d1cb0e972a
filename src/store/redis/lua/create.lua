-- Creates a session of a subject and ends those that it costs, in one step. All keys are in one
-- place. While their slot moves, the keys that are named here let nobody in who does not find them all.
local now, value, at, owner, replacing, max, excess = unpack(ARGV)
local key, index = KEYS[1], KEYS[2]
local sessions, id = string.match(key, '^(.*session:)(.*)$')

local function at_place(member)
  local other, stamp = string.match(member, '^(%S+) (%d+)$')
  if not other then return nil, true end
  return holder(index, sessions .. other, owner .. '/' .. stamp)
end

local answer = { 'done' }
if max ~= '' then
  local old, _, _, ends = read(key)
  if old and now < ends then return 'exists' end
  local held, void = {}, {}
  for _, member in ipairs(redis.call('ZRANGE', index, 0, -1)) do
    local head, is_void, ends, rest = at_place(member)
    local other = string.match(member, '^%S+')
    if is_void then
      void[#void + 1] = member
    elseif head and other ~= id and other ~= replacing and now < ends then
      local created = string.match(head, '^%d+ %d+ (%d+) ', rest)
      held[#held + 1] = { id = other, member = member, created = padded(created or '') }
    end
  end
  local surplus = #held + 1 - tonumber(max)
  if surplus > 0 then
    if excess == 'deny' then return 'limit' end
    table.sort(held, function(a, b)
      if a.created ~= b.created then return a.created < b.created end
      return a.id < b.id
    end)
    for place = 1, math.min(surplus, #held) do
      redis.call('DEL', sessions .. held[place].id)
      redis.call('ZREM', index, held[place].member)
      answer[#answer + 1] = held[place].id
    end
  end
  for _, member in ipairs(void) do redis.call('ZREM', index, member) end
else
  -- A few places at a time are looked at, so that those of sessions that expired do not pile up.
  for _, member in ipairs(redis.call('ZRANDMEMBER', index, 4)) do
    local known, _, is_void = pcall(at_place, member)
    if known and is_void then redis.call('ZREM', index, member) end
  end
end

-- The place in the index comes first, for no session may be without.
local stamp = enter(index, id, string.match(value, '^%d+ (%d+) ', 68))
value = string.sub(value, 1, 65) .. owner .. '/' .. stamp .. string.sub(value, 67)
if not redis.call('SET', key, value, 'PXAT', at, 'NX') then
  local old, _, _, ends, before = read(key)
  if old and now < ends then
    leave(key, owner .. '/' .. stamp)
    return 'exists'
  end
  redis.call('SET', key, value, 'PXAT', at)
  if old then leave(key, before) end
end
if replacing ~= '' and finish(KEYS[3], now) then answer[1] = 'replaced' end
return answer
