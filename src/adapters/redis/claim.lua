-- Sets the owner epoch, which shuts out late scripts of a predecessor, and drops what it left
-- half done: the partial marker and the shadows (E5). Never lowers the epoch.
-- A claim on nothing leaves a meta without a batch, which refuses every read until it is rebuilt.
--
-- KEYS  1 meta (hash)   2 shadow marker (string)   3 shadow state   4 shadow timers   5 shadow index
-- ARGV  1 epoch   2 identity
-- Returns  {"at", batch, changelog offset, stamp}
--          {"nothing"}
--          {"fenced", epoch found}
local meta = redis.call('HMGET', KEYS[1], 'epoch', 'batch', 'identity', 'changelog', 'stamp')
local same = meta[3] == ARGV[2]
if same and meta[1] and tonumber(meta[1]) > tonumber(ARGV[1]) then return {'fenced', meta[1]} end

redis.call('UNLINK', KEYS[2], KEYS[3], KEYS[4], KEYS[5])
if same and meta[1] and meta[2] and meta[4] and meta[5] then
  redis.call('HDEL', KEYS[1], 'partial')
  redis.call('HSET', KEYS[1], 'epoch', ARGV[1])
  return {'at', meta[2], meta[4], meta[5]}
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'identity', ARGV[2])
return {'nothing'}
