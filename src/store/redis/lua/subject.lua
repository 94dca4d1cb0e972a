-- Lists, counts or ends live sessions of a subject, in the order of their ids. All keys are in
-- one place. Answers whether there is more than `max`, where to go on, and the sessions. All is read
-- before anything is written: on a node that does not have all of it yet, nothing is done.
local prefix, now, owner, after, max, page, deed, which, one = unpack(ARGV)
max, page = tonumber(max), tonumber(page)

local from, to = after == '' and '-' or '(' .. after .. '~', '+'
if which == 'one' then from, to = '[' .. one .. ' ', '(' .. one .. '~' end
local members = redis.call('ZRANGEBYLEX', KEYS[1], from, to, 'LIMIT', 0, page)

local answer, count, last = { '0', '' }, 0, ''
local void, ended, enough = {}, {}, false
for _, member in ipairs(members) do
  local id, stamp = string.match(member, '^(%S+) (%d+)$')
  local key = prefix .. 'session:' .. (id or '')
  local head, is_void, ends, rest = nil, true
  if id then head, is_void, ends, rest = holder(KEYS[1], key, owner .. '/' .. stamp) end
  if is_void then
    void[#void + 1] = member
  elseif head and now < ends and not (which == 'others' and id == one) then
    enough = count == max
    if enough then
      answer[1] = '1'
      break
    end
    count = count + 1
    if deed == 'revoke' then
      ended[#ended + 1] = key
      void[#void + 1] = member
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
      enough = count == max
      if enough then break end
    end
  end
  last = id or last
end
for _, key in ipairs(ended) do redis.call('DEL', key) end
for _, member in ipairs(void) do redis.call('ZREM', KEYS[1], member) end
if enough then return answer end
if deed == 'count' then answer[3] = tostring(count) end
if #members == page then answer[2] = last end
return answer
