-- Puts the finished shadow of this claim and target batch in place of what was there (E7).
-- Made again after a lost reply it changes nothing and answers the same.
--
-- KEYS  1 meta (hash)   2 state   3 timers   4 index
--       5 shadow marker (string)   6 shadow state   7 shadow timers   8 shadow index
-- ARGV  1 epoch   2 identity   3 target batch   4 number of parts written   5 changelog offset   6 stamp, ms
--       7 owner's clock, ms ("" = no other than the stamp's)
-- Returns  {"ok", timers pending, {first key, its wake}}
--          {"fenced", epoch found}
--          {"lost", what was found}
local meta = read_meta()
local refusal = refused(meta)
if refusal then return refusal end

local marker = redis.call('GET', KEYS[5])
local parts = tonumber(ARGV[4])
if not marker and meta.batch == ARGV[3] then
  return damaged(meta, KEYS[2], KEYS[3], KEYS[4]) or written(KEYS[3])
end
local finished = ARGV[1] .. ':' .. ARGV[3] .. ':' .. (parts - 1) .. ':' .. sizes(KEYS[6], KEYS[7], KEYS[8])
if marker ~= finished and not (parts == 0 and not marker) then
  return {'lost', 'shadow ' .. tostring(marker)}
end

for i = 2, 4 do
  redis.call('UNLINK', KEYS[i])
  -- An empty hash or sorted set is a missing key, and a missing key cannot be renamed.
  if redis.call('EXISTS', KEYS[i + 4]) == 1 then redis.call('RENAME', KEYS[i + 4], KEYS[i]) end
end
redis.call('UNLINK', KEYS[5])
reached(ARGV[3], ARGV[5], ARGV[6], ARGV[7], KEYS[2], KEYS[3], KEYS[4])
return written(KEYS[3])
