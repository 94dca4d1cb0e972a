-- Takes a place in a subject's index and answers its stamp, by which this place differs from any
-- other that the same id ever had; or keeps the one with this stamp. The index stays as long as any
-- session in it may.
local function enter(index, id, absolute, kept)
  local time = redis.call('TIME')
  local stamp = kept or time[1] .. string.format('%06d', time[2])
  redis.call('ZADD', index, 0, id .. ' ' .. stamp)
  local left = redis.call('PTTL', index)
  local ends = time[1] * 1000 + math.floor(time[2] / 1000) + left
  if left < 0 or #absolute > 15 or ends < tonumber(absolute) then
    redis.call('PEXPIREAT', index, expiry(padded(absolute)))
  end
  return stamp
end

