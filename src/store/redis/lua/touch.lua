-- Notes that a session was used.
local now = ARGV[1]
local head, _, seen, ends, _, rest = read(KEYS[1])
if not head or ends <= now then return 'gone' end
if seen >= now then return 'done' end
local idle, absolute = string.match(head, '^(%d+) (%d+) ', rest)
if not idle then error('UNDECODABLE') end
ends = deadline(now, idle, absolute)
redis.call('SETRANGE', KEYS[1], 23, now .. ' ' .. ends)
redis.call('PEXPIREAT', KEYS[1], expiry(ends))
return 'done'
