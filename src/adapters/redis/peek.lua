-- Reads one state as it stands, whoever owns the partition and whatever it is doing: for look-ups.
-- Only what was committed is ever in the replica, so the worst it can be is a little old.
--
-- KEYS  1 meta (hash)   2 state (hash)   3 timers (sorted set)   4 index (sorted set)
-- ARGV  1 no epoch: "0"   2 identity   3 key
-- Returns  {"ok", stamp of the last batch, ms, owner's clock then, ms, or nil where it is no other
--           than the stamp's, value or nil}
--          {"nothing"}  the partition has not been restored here
--          {"lost", what was found}  its owner has yet to notice
local meta = read_meta()
if meta.identity ~= ARGV[2] or not meta.batch or not meta.stamp then return {'nothing'} end
local damage = is_sized(meta) and damaged(meta, KEYS[2], KEYS[3], KEYS[4])
if damage then return damage end
return {'ok', meta.stamp, meta.clock, redis.call('HGET', KEYS[2], ARGV[3])}
