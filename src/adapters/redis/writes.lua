-- Stands before replicate.lua and rebuild.lua: writes what their arguments say.
-- write(state, timers, index, counts): ARGV[counts] to ARGV[counts + 5] hold how many arguments
-- follow for HSET state, HDEL state, ZADD timers, ZREM timers, ZADD index, ZREM index; then they
-- follow. Handed on in slices, because Lua unpacks fewer than 8,000 values at once. An even CHUNK
-- keeps pairs together.
local CHUNK = 4000

local function run(command, key, first, count)
  for i = first, first + count - 1, CHUNK do
    redis.call(command, key, unpack(ARGV, i, math.min(i + CHUNK, first + count) - 1))
  end
  return first + count
end

local function write(state, timers, index, counts)
  local at = counts + 6
  at = run("HSET", state, at, tonumber(ARGV[counts]))
  at = run("HDEL", state, at, tonumber(ARGV[counts + 1]))
  at = run("ZADD", timers, at, tonumber(ARGV[counts + 2]))
  at = run("ZREM", timers, at, tonumber(ARGV[counts + 3]))
  at = run("ZADD", index, at, tonumber(ARGV[counts + 4]))
  run("ZREM", index, at, tonumber(ARGV[counts + 5]))
end
