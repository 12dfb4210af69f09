-- Writes one part of a rebuild into shadow keys (E7). A shadow belongs to one claim and one target
-- batch; its marker "epoch:batch:last part written" says so. Part 0 starts it afresh and takes the
-- batch out of meta: from then on nothing is answered until the swap.
--
-- KEYS  1 meta (hash)   2 shadow marker (string)   3 shadow state   4 shadow timers   5 shadow index
-- ARGV  1 epoch   2 identity   3 target batch   4 part, from 0
--       5..10 how many arguments follow for: HSET state, HDEL state, ZADD timers, ZREM timers,
--             ZADD index, ZREM index
--       11.. those arguments, in that order
-- Returns  {"ok"}
--          {"fenced", epoch found}
--          {"lost", what was found}
local meta = redis.call('HMGET', KEYS[1], 'epoch', 'identity')
if not meta[1] then return {'lost', 'no meta'} end
if meta[2] ~= ARGV[2] then return {'lost', 'meta of ' .. tostring(meta[2])} end
if meta[1] ~= ARGV[1] then
  if tonumber(meta[1]) > tonumber(ARGV[1]) then return {'fenced', meta[1]} end
  return {'lost', 'epoch ' .. meta[1]}
end

local mine = ARGV[1] .. ':' .. ARGV[3] .. ':'
local part = tonumber(ARGV[4])
if part == 0 then
  redis.call('UNLINK', KEYS[2], KEYS[3], KEYS[4], KEYS[5])
  redis.call('HDEL', KEYS[1], 'batch', 'partial')
else
  local marker = redis.call('GET', KEYS[2])
  if marker == mine .. ARGV[4] then return {'ok'} end
  if marker ~= mine .. tostring(part - 1) then return {'lost', 'shadow ' .. tostring(marker)} end
end
write(KEYS[3], KEYS[4], KEYS[5], 5)
redis.call('SET', KEYS[2], mine .. ARGV[4])
return {'ok'}
