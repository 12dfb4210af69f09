-- Answers a question about one partition at exactly the expected marker (E3).
--
-- KEYS  1 meta (hash)   2 state (hash)   3 timers (sorted set)   4 index (sorted set)
-- ARGV  1 epoch   2 batch   3 identity
--       4 due before, ms ("" = not asked)   5 due limit
--       6 scan from   7 scan to, both as ZRANGEBYLEX bounds ("" = not asked)   8 scan limit
--       9.. keys
-- Returns  {"ok", chunks of values, {key, wake, ...}, chunks of their values,
--           keys scanned, chunks of their values, timers pending, {first key, its wake}}
--          {"fenced", epoch found}
--          {"lost", what was found}
local CHUNK = 4000

local function values(names)
  local chunks = {}
  for i = 1, #names, CHUNK do
    chunks[#chunks + 1] = redis.call('HMGET', KEYS[2], unpack(names, i, math.min(i + CHUNK - 1, #names)))
  end
  return chunks
end

local meta = redis.call('HMGET', KEYS[1], 'epoch', 'batch', 'identity', 'partial')
if not meta[1] then return {'lost', 'no meta'} end
if meta[3] ~= ARGV[3] then return {'lost', 'meta of ' .. tostring(meta[3])} end
if meta[1] ~= ARGV[1] then
  if tonumber(meta[1]) > tonumber(ARGV[1]) then return {'fenced', meta[1]} end
  return {'lost', 'epoch ' .. meta[1]}
end
if not meta[2] then return {'lost', 'claimed, not rebuilt'} end
if meta[4] then return {'lost', 'part of a batch ' .. meta[4]} end
if meta[2] ~= ARGV[2] then return {'lost', 'batch ' .. meta[2]} end

local asked = {}
for i = 9, #ARGV, CHUNK do
  asked[#asked + 1] = redis.call('HMGET', KEYS[2], unpack(ARGV, i, math.min(i + CHUNK - 1, #ARGV)))
end

local due, due_values = {}, {}
if ARGV[4] ~= '' then
  due = redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', '(' .. ARGV[4], 'WITHSCORES', 'LIMIT', 0, ARGV[5])
  local names = {}
  for i = 1, #due, 2 do names[#names + 1] = due[i] end
  due_values = values(names)
end

local scanned, scanned_values = {}, {}
if ARGV[6] ~= '' then
  scanned = redis.call('ZRANGEBYLEX', KEYS[4], ARGV[6], ARGV[7], 'LIMIT', 0, ARGV[8])
  scanned_values = values(scanned)
end

return {'ok', asked, due, due_values, scanned, scanned_values,
        redis.call('ZCARD', KEYS[3]), redis.call('ZRANGE', KEYS[3], 0, 0, 'WITHSCORES')}
