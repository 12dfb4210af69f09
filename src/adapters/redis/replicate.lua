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
local meta = read_meta()
local refusal = refused(meta)
if refusal then return refusal end
if not meta.batch then return {'lost', 'claimed, not rebuilt'} end
if meta.batch ~= ARGV[3] and meta.batch ~= ARGV[4] then return {'lost', 'batch ' .. meta.batch} end
refusal = damaged(meta, KEYS[2], KEYS[3], KEYS[4])
if refusal then return refusal end
if meta.batch == ARGV[4] then return written(KEYS[3]) end

-- The partial marker is "batch it leads to:last part written". Only an owner's own parts are
-- ever found here: a claim drops the marker.
local part = tonumber(ARGV[5])
local last_written = -1
if meta.partial then
  local target, last_part = meta.partial:match('^(%d+):(%d+)$')
  if target ~= ARGV[4] then return {'lost', 'part of a batch ' .. meta.partial} end
  last_written = tonumber(last_part)
end
if part <= last_written then return written(KEYS[3]) end
if part ~= last_written + 1 then
  return {'lost', 'part ' .. tostring(last_written) .. ' of batch ' .. ARGV[4]}
end

write(KEYS[2], KEYS[3], KEYS[4], 10)
if ARGV[6] == '1' then
  reached(ARGV[4], ARGV[7], ARGV[8], ARGV[9], KEYS[2], KEYS[3], KEYS[4])
else
  redis.call('HSET', KEYS[1], 'partial', ARGV[4] .. ':' .. ARGV[5],
             'sizes', meta.batch .. ':' .. sizes(KEYS[2], KEYS[3], KEYS[4]))
end
return written(KEYS[3])
