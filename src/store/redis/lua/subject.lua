-- Lists, counts or ends live sessions of a subject, in the order of their ids. All keys are in
-- one place. Answers whether there is more than `max`, where to go on, and the sessions.
local prefix, now, owner, after, max, page, deed, which, one = unpack(ARGV)
max, page = tonumber(max), tonumber(page)

local from, to = after == '' and '-' or '(' .. after .. '~', '+'
if which == 'one' then from, to = '[' .. one .. ' ', '(' .. one .. '~' end
local members = redis.call('ZRANGEBYLEX', KEYS[1], from, to, 'LIMIT', 0, page)

local answer, count, last = { '0', '' }, 0, ''
for _, member in ipairs(members) do
  local id, stamp = string.match(member, '^(%S+) (%d+)$')
  local key = prefix .. 'session:' .. (id or '')
  local known, head, _, _, ends, place, rest = pcall(read, key)
  if not known or not head or not id or place ~= owner .. '/' .. stamp then
    redis.call('ZREM', KEYS[1], member) -- its session has gone
  elseif now < ends and not (which == 'others' and id == one) then
    if count == max then
      answer[1] = '1'
      return answer
    end
    count = count + 1
    if deed == 'revoke' then
      redis.call('DEL', key)
      redis.call('ZREM', KEYS[1], member)
    end
    if deed ~= 'count' then answer[#answer + 1] = id end
    if deed == 'list' then
      -- The first line and the context after it.
      local form = '^%d+ %d+ %d+ %d+ %d+ %d+ %d %d (%S+) [^\n]*\n()'
      local context, line = string.match(head, form, rest)
      if not line then
        context, line = string.match(redis.call('GETRANGE', key, 0, -1), form, rest)
      end
      if not line then error('UNDECODABLE') end
      local size = line - 1 + (tonumber(context) or 0)
      answer[#answer + 1] = redis.call('GETRANGE', key, 0, size - 1)
      if count == max then return answer end
    end
  end
  last = id or last
end
if deed == 'count' then answer[3] = tostring(count) end
if #members == page then answer[2] = last end
return answer
