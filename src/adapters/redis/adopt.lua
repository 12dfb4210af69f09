-- Keeps sizes from now on, of keys that were written by a version that kept none: they must be
-- exactly what was counted in the changelog (E15).
--
-- KEYS  1 meta (hash)   2 state (hash)   3 timers (sorted set)   4 index (sorted set)
-- ARGV  1 epoch   2 identity   3 batch   4 sizes as counted: "states:timers:index entries"
-- Returns  {"ok", timers pending, {first key, its wake}}
--          {"nothing"}  the keys have other sizes
--          {"fenced", epoch found}
--          {"lost", what was found}
local meta = read_meta()
local refusal = refused(meta)
if refusal then return refusal end
if not meta.batch then return {'lost', 'claimed, not rebuilt'} end
if meta.partial then return {'lost', 'part of a batch ' .. meta.partial} end
if meta.batch ~= ARGV[3] then return {'lost', 'batch ' .. meta.batch} end
if sizes(KEYS[2], KEYS[3], KEYS[4]) ~= ARGV[4] then return {'nothing'} end
redis.call('HSET', KEYS[1], 'sizes', ARGV[3] .. ':' .. ARGV[4])
return written(KEYS[3])
