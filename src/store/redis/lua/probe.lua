-- Uses every command that the other scripts use, on keys that nobody else has.
local record, index = KEYS[1], KEYS[2]
redis.call('TIME')
redis.call('HSET', record, 'meta', '', 'entry', '')
redis.call('HMGET', record, 'meta', 'entry')
redis.call('HDEL', record, 'entry')
redis.call('EXISTS', record)
redis.call('PEXPIREAT', record, 1)
redis.call('ZADD', index, 0, 'a')
redis.call('ZRANGE', index, 0, -1)
redis.call('ZRANGEBYLEX', index, '-', '+', 'LIMIT', 0, 1)
redis.call('ZRANDMEMBER', index, 4)
redis.call('PTTL', index)
redis.call('ZREM', index, 'a')
redis.call('DEL', record)
redis.call('DEL', index)
return 'ok'
