-- Reads one state as it stands, whoever owns the partition and whatever it is doing: for look-ups.
-- Only what was committed is ever in the replica, so the worst it can be is a little old.
--
-- KEYS  1 meta (hash)   2 state (hash)
-- ARGV  1 identity   2 key
-- Returns  {"ok", stamp of the last batch, ms, owner's clock then, ms, or nil where it is no other
--           than the stamp's, value or nil}
--          {"nothing"}  the partition has not been restored here
local meta = redis.call('HMGET', KEYS[1], 'identity', 'batch', 'stamp', 'clock')
if meta[1] ~= ARGV[1] or not meta[2] or not meta[3] then return {'nothing'} end
return {'ok', meta[3], meta[4], redis.call('HGET', KEYS[2], ARGV[2])}
