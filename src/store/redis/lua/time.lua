-- Twenty digits, as all that are compared.
local function padded(number) return string.rep('0', 20 - #number) .. number end

-- When a session ends that was last seen then. Exact up to the year 33658; whatever is beyond is the
-- end of time.
local function deadline(seen, idle, absolute)
  local ends = '18446744073709551615'
  if seen < '00001000000000000000' and #idle < 16 then
    ends = string.format('%020.0f', seen + idle)
  end
  absolute = padded(absolute)
  return ends < absolute and ends or absolute
end

-- The same for Redis, which takes no zero and would wrap around at the end of time.
local function expiry(ends)
  if ends > '00000999999999999999' then return '999999999999999' end
  return string.format('%.0f', math.max(tonumber(ends), 1))
end

