-- Removes a partition of a log that was left for good: `accrual topics move`.
--
-- KEYS  1 meta (hash)   2 state (hash)   3 timers (sorted set)   4 index (sorted set)
--       5 shadow marker (string)   6 shadow state   7 shadow timers   8 shadow index
-- ARGV  1 no epoch: "0"   2 identity
-- Returns  {"ok"}
--          {"nothing"}  nothing is here, or the state of another log
local meta = read_meta()
if meta.identity ~= ARGV[2] then return {'nothing'} end
redis.call('UNLINK', unpack(KEYS))
return {'ok'}
