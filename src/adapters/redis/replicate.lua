-- Applies one part of a committed batch: absolute values, the batch number last (E2).
-- Made again after a lost reply it changes nothing and answers the same.
--
-- KEYS  1 meta (hash)   2 state (hash)   3 timers (sorted set)   4 index (sorted set)
-- ARGV  1 epoch   2 identity   3 batch before   4 batch after   5 part, from 0   6 "1" on the last part
--       7 changelog offset   8 stamp, ms   9 owner's clock, ms ("" = no other than the stamp's)
--       10..15 how many arguments follow for: HSET state, HDEL state, ZADD timers, ZREM timers,
--             ZADD index, ZREM index
--       16.. those arguments, in that order
-- Returns  {"ok", timers pending, {first key, its wake}}
--          {"fenced", epoch found}
--          {"lost", what was found}
local function done()
  return {'ok', redis.call('ZCARD', KEYS[3]), redis.call('ZRANGE', KEYS[3], 0, 0, 'WITHSCORES')}
end

local meta = redis.call('HMGET', KEYS[1], 'epoch', 'batch', 'identity', 'partial')
if not meta[1] then return {'lost', 'no meta'} end
if meta[3] ~= ARGV[2] then return {'lost', 'meta of ' .. tostring(meta[3])} end
if meta[1] ~= ARGV[1] then
  if tonumber(meta[1]) > tonumber(ARGV[1]) then return {'fenced', meta[1]} end
  return {'lost', 'epoch ' .. meta[1]}
end
if not meta[2] then return {'lost', 'claimed, not rebuilt'} end
if meta[2] == ARGV[4] then return done() end
if meta[2] ~= ARGV[3] then return {'lost', 'batch ' .. meta[2]} end

-- The partial marker is "batch it leads to:last part written". Only an owner's own parts are
-- ever found here: a claim drops the marker.
local part = tonumber(ARGV[5])
local reached = -1
if meta[4] then
  local target, last_part = meta[4]:match('^(%d+):(%d+)$')
  if target ~= ARGV[4] then return {'lost', 'part of a batch ' .. meta[4]} end
  reached = tonumber(last_part)
end
if part <= reached then return done() end
if part ~= reached + 1 then return {'lost', 'part ' .. tostring(reached) .. ' of batch ' .. ARGV[4]} end

write(KEYS[2], KEYS[3], KEYS[4], 10)
if ARGV[6] == '1' then
  redis.call('HDEL', KEYS[1], 'partial')
  redis.call('HSET', KEYS[1], 'batch', ARGV[4], 'changelog', ARGV[7], 'stamp', ARGV[8])
  if ARGV[9] ~= '' then redis.call('HSET', KEYS[1], 'clock', ARGV[9]) else redis.call('HDEL', KEYS[1], 'clock') end
else
  redis.call('HSET', KEYS[1], 'partial', ARGV[4] .. ':' .. ARGV[5])
end
return done()
