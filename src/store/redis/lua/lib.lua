-- Begins every script. Versions and times are u64 in decimal: Lua's numbers would lose bits, so
-- they stay text and are compared as text.
local function less(a, b) return #a < #b or (#a == #b and a < b) end
local function later(a, b) return less(a, b) and b or a end

-- Exact up to the year 33658; whatever is beyond is the end of time.
local function plus(a, b)
  if #a > 15 or #b > 15 then return '18446744073709551615' end
  return string.format('%.0f', a + b)
end

local function deadline(row)
  local idle = plus(row.seen, row.idle)
  return less(idle, row.absolute) and idle or row.absolute
end

local function live(row, now) return row and less(now, deadline(row)) end

-- The record under a key, or nil. What is there and is no record is an error: nobody writes over it.
local function find(key)
  local got = redis.pcall('HMGET', key, 'meta', 'entry')
  if got.err then
    error(string.find(got.err, 'WRONGTYPE', 1, true) and 'UNDECODABLE' or got.err)
  end
  local version, seen, idle, absolute, rest =
    string.match(got[1] or '', '^1 (%d+) (%d+) (%d+) (%d+) (%d.*)$')
  if version then
    return { version = version, seen = seen, idle = idle, absolute = absolute, rest = rest,
      created = string.match(rest, '^%d+'), entry = got[2] or '' }
  end
  if got[1] or redis.call('EXISTS', key) == 1 then error('UNDECODABLE') end
  return nil
end

-- The same where a record that cannot be read is as good as none.
local function look(key)
  local ok, row = pcall(find, key)
  return ok and row or nil
end

-- Redis would wrap around at the end of time.
local function expire(key, at)
  redis.call('PEXPIREAT', key, #at > 15 and '999999999999999' or at)
end

local function write_meta(key, row)
  redis.call('HSET', key, 'meta', table.concat(
    { '1', row.version, row.seen, row.idle, row.absolute, row.rest }, ' '))
  expire(key, deadline(row))
end

-- How the session began; no field if nothing is known of that.
local function set_context(key, context)
  if context == '' then
    redis.call('HDEL', key, 'context')
  else
    redis.call('HSET', key, 'context', context)
  end
end

local function session_key(prefix, id) return prefix .. 'session:' .. id end
local function index_key(prefix, owner) return prefix .. 'subject:' .. owner end

-- Takes a place in a subject's index and answers its stamp, by which this place differs from any
-- other that the same id ever had. The index stays as long as any session in it may.
local function enter(index, id, absolute)
  local time = redis.call('TIME')
  local stamp = time[1] .. string.format('%06d', time[2])
  redis.call('ZADD', index, 0, id .. ' ' .. stamp)
  local ends = redis.call('PTTL', index) + time[1] * 1000 + math.floor(time[2] / 1000)
  if redis.call('PTTL', index) < 0 or #absolute > 15 or ends < tonumber(absolute) then
    expire(index, absolute)
  end
  return stamp
end

local function leave(prefix, id, entry)
  local owner, stamp = string.match(entry, '^(%x+) (%d+)$')
  if owner then redis.call('ZREM', index_key(prefix, owner), id .. ' ' .. stamp) end
end

local function drop(prefix, id, row)
  redis.call('DEL', session_key(prefix, id))
  leave(prefix, id, row.entry)
end
