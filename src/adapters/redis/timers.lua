-- Timers of one partition, for status pages. No marker is looked at: nothing is decided on it.
--
-- KEYS  1 timers (sorted set)
-- ARGV  1 now, ms
-- Returns  {"ok", timers pending, {first key, its wake}, timers due}
return {'ok', redis.call('ZCARD', KEYS[1]), redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES'),
        redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. ARGV[1])}
