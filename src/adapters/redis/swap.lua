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
local function done()
  return {'ok', redis.call('ZCARD', KEYS[3]), redis.call('ZRANGE', KEYS[3], 0, 0, 'WITHSCORES')}
end

local meta = redis.call('HMGET', KEYS[1], 'epoch', 'batch', 'identity')
if not meta[1] then return {'lost', 'no meta'} end
if meta[3] ~= ARGV[2] then return {'lost', 'meta of ' .. tostring(meta[3])} end
if meta[1] ~= ARGV[1] then
  if tonumber(meta[1]) > tonumber(ARGV[1]) then return {'fenced', meta[1]} end
  return {'lost', 'epoch ' .. meta[1]}
end

local marker = redis.call('GET', KEYS[5])
local parts = tonumber(ARGV[4])
local finished = ARGV[1] .. ':' .. ARGV[3] .. ':' .. tostring(parts - 1)
if marker ~= finished and not (parts == 0 and not marker) then
  if not marker and meta[2] == ARGV[3] then return done() end
  return {'lost', 'shadow ' .. tostring(marker)}
end

for i = 2, 4 do
  redis.call('UNLINK', KEYS[i])
  -- An empty hash or sorted set is a missing key, and a missing key cannot be renamed.
  if redis.call('EXISTS', KEYS[i + 4]) == 1 then redis.call('RENAME', KEYS[i + 4], KEYS[i]) end
end
redis.call('UNLINK', KEYS[5])
redis.call('HDEL', KEYS[1], 'partial')
redis.call('HSET', KEYS[1], 'batch', ARGV[3], 'changelog', ARGV[5], 'stamp', ARGV[6])
if ARGV[7] ~= '' then redis.call('HSET', KEYS[1], 'clock', ARGV[7]) else redis.call('HDEL', KEYS[1], 'clock') end
return done()
