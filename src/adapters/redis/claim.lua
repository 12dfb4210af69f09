-- Sets the owner epoch, which shuts out late scripts of a predecessor, and drops what it left
-- half done: the partial marker and the shadows (E5). Never lowers the epoch.
-- A claim on nothing, or on keys that are not what meta says (E15), leaves a meta without a
-- batch, which refuses every read until it is rebuilt.
--
-- KEYS  1 meta (hash)   2 state (hash)   3 timers (sorted set)   4 index (sorted set)
--       5 shadow marker (string)   6 shadow state   7 shadow timers   8 shadow index
-- ARGV  1 epoch   2 identity
-- Returns  {"at", batch, changelog offset, stamp, 1 if the sizes are known to be right, else 0}
--          {"nothing"}
--          {"foreign", identity found}
--          {"damaged", what was found}
--          {"fenced", epoch found}
local meta = read_meta()
local same = meta.identity == ARGV[2]
if same and meta.epoch and tonumber(meta.epoch) > tonumber(ARGV[1]) then return {'fenced', meta.epoch} end
-- Fails here, before anything is changed, where a key is somebody else's and of another type.
sizes(KEYS[2], KEYS[3], KEYS[4])

redis.call('UNLINK', KEYS[5], KEYS[6], KEYS[7], KEYS[8])
local complete = same and meta.epoch and meta.batch and meta.changelog and meta.stamp
local sized = complete and is_sized(meta)
local damage = sized and damaged(meta, KEYS[2], KEYS[3], KEYS[4])
if complete and not damage then
  redis.call('HDEL', KEYS[1], 'partial')
  redis.call('HSET', KEYS[1], 'epoch', ARGV[1])
  return {'at', meta.batch, meta.changelog, meta.stamp, sized and 1 or 0}
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'identity', ARGV[2])
if damage then return {'damaged', damage[2]} end
if meta.identity and not same then return {'foreign', meta.identity} end
return {'nothing'}
