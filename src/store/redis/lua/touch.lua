-- Notes that a session was used.
local now, row = ARGV[1], find(KEYS[1])
if not live(row, now) then return 'gone' end
if less(row.seen, now) then
  row.seen = now
  write_meta(KEYS[1], row)
end
return 'done'
