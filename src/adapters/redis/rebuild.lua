-- Writes one part of a rebuild into shadow keys (E7). A shadow belongs to one claim and one target
-- batch; its marker "epoch:batch:last part written:sizes" says so, and what the shadow holds (E15).
-- Part 0 starts it afresh and takes the batch out of meta: from then on nothing is answered until
-- the swap.
--
-- KEYS  1 meta (hash)   2 shadow marker (string)   3 shadow state   4 shadow timers   5 shadow index
-- ARGV  1 epoch   2 identity   3 target batch   4 part, from 0
--       5..10 how many arguments follow for: HSET state, HDEL state, ZADD timers, ZREM timers,
--             ZADD index, ZREM index
--       11.. those arguments, in that order
-- Returns  {"ok"}
--          {"fenced", epoch found}
--          {"lost", what was found}
local refusal = refused(read_meta())
if refusal then return refusal end

local function marker(part)
  return ARGV[1] .. ':' .. ARGV[3] .. ':' .. part .. ':' .. sizes(KEYS[3], KEYS[4], KEYS[5])
end

local part = tonumber(ARGV[4])
if part == 0 then
  redis.call('UNLINK', KEYS[2], KEYS[3], KEYS[4], KEYS[5])
  redis.call('HDEL', KEYS[1], 'batch', 'partial', 'sizes')
else
  local found = redis.call('GET', KEYS[2])
  if found == marker(part) then return {'ok'} end
  if found ~= marker(part - 1) then return {'lost', 'shadow ' .. tostring(found)} end
end
write(KEYS[3], KEYS[4], KEYS[5], 5)
redis.call('SET', KEYS[2], marker(part))
return {'ok'}
