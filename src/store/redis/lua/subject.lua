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
  local row = id and look(session_key(prefix, id))
  if not row or row.entry ~= owner .. ' ' .. stamp then
    redis.call('ZREM', KEYS[1], member) -- its session has gone
  elseif live(row, now) and not (which == 'others' and id == one) then
    if count == max then
      answer[1] = '1'
      return answer
    end
    count = count + 1
    if deed == 'revoke' then drop(prefix, id, row) end
    if deed ~= 'count' then answer[#answer + 1] = id end
    if deed == 'list' then
      local told = redis.call('HMGET', session_key(prefix, id), 'meta', 'context')
      answer[#answer + 1] = told[1]
      answer[#answer + 1] = told[2] or ''
      if count == max then return answer end
    end
  end
  last = id or last
end
if deed == 'count' then answer[3] = tostring(count) end
if #members == page then answer[2] = last end
return answer
