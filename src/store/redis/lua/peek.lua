-- A page of a subject's index: a digest of it, the server's time in microseconds, the places.
local after, page = ARGV[1], ARGV[2]
local from = after == '' and '-' or '(' .. after .. '~'
local members = redis.call('ZRANGEBYLEX', KEYS[1], from, '+', 'LIMIT', 0, page)
local time = redis.call('TIME')
local answer = { redis.sha1hex(table.concat(members, ',')),
  time[1] .. string.format('%06d', time[2]) }
for _, member in ipairs(members) do answer[#answer + 1] = member end
return answer
