-- Uses every command that the store and its scripts use, on keys that nobody else has.
local record, index = KEYS[1], KEYS[2]
redis.call('TIME')
redis.call('SET', record, 'a', 'PXAT', '999999999999999', 'NX')
redis.call('SETRANGE', record, 0, 'b')
redis.call('GETRANGE', record, 0, 0)
redis.call('GET', record)
redis.call('EXISTS', record)
redis.call('PEXPIREAT', record, 1)
redis.call('GETDEL', record)
redis.call('ZADD', index, 0, 'a')
redis.call('ZRANGE', index, 0, -1)
redis.call('ZRANGEBYLEX', index, '-', '+', 'LIMIT', 0, 1)
redis.call('ZRANDMEMBER', index, 4)
redis.call('PTTL', index)
redis.call('ZREM', index, 'a')
redis.call('DEL', record)
redis.call('DEL', index)
return 'ok'
