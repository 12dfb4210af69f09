-- Answers a question about one partition at exactly the expected marker (E3, E15).
--
-- KEYS  1 meta (hash)   2 state (hash)   3 timers (sorted set)   4 index (sorted set)
-- ARGV  1 epoch   2 identity   3 batch
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

local refusal = unreadable(read_meta(), ARGV[3], KEYS[2], KEYS[3], KEYS[4])
if refusal then return refusal end

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
