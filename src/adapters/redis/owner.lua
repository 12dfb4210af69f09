-- Stands before every script that looks at meta. KEYS[1] is the partition's meta, ARGV[1] the
-- owner's epoch, ARGV[2] the identity of the log.
--
-- Meta (hash): epoch, identity, batch, changelog, stamp, clock, partial, and `sizes`, which is
-- "batch:states:timers:index entries" as the last script of an owner left them (E15). A version
-- that does not keep sizes leaves them at an older batch: then nothing is known of them.
local FIELDS = {'epoch', 'identity', 'batch', 'partial', 'sizes', 'changelog', 'stamp', 'clock'}

local function read_meta()
  local meta = {}
  for i, value in ipairs(redis.call('HMGET', KEYS[1], unpack(FIELDS))) do meta[FIELDS[i]] = value end
  return meta
end

-- Why the owner named by the arguments may not go on; nil if it may.
local function refused(meta)
  if not meta.epoch then return {'lost', 'no meta'} end
  if meta.identity ~= ARGV[2] then return {'lost', 'meta of ' .. tostring(meta.identity)} end
  if meta.epoch ~= ARGV[1] then
    if tonumber(meta.epoch) > tonumber(ARGV[1]) then return {'fenced', meta.epoch} end
    return {'lost', 'epoch ' .. meta.epoch}
  end
end

local function sizes(state, timers, index)
  return redis.call('HLEN', state) .. ':' .. redis.call('ZCARD', timers) .. ':' .. redis.call('ZCARD', index)
end

-- Why the keys are not what the last script left; nil if they are.
local function damaged(meta, state, timers, index)
  local found = meta.batch .. ':' .. sizes(state, timers, index)
  if meta.sizes ~= found then
    return {'lost', 'batch:states:timers:index ' .. found .. ' instead of ' .. tostring(meta.sizes)}
  end
end

-- Why nothing can be read at exactly this batch; nil if it can (E3, E15).
local function unreadable(meta, batch, state, timers, index)
  local refusal = refused(meta)
  if refusal then return refusal end
  if not meta.batch then return {'lost', 'claimed, not rebuilt'} end
  if meta.partial then return {'lost', 'part of a batch ' .. meta.partial} end
  if meta.batch ~= batch then return {'lost', 'batch ' .. meta.batch} end
  return damaged(meta, state, timers, index)
end

-- Whether the last script of an owner kept sizes.
local function is_sized(meta)
  return meta.sizes and meta.sizes:match('^%d+') == meta.batch
end

-- The answer of a script that wrote.
local function written(timers)
  return {'ok', redis.call('ZCARD', timers), redis.call('ZRANGE', timers, 0, 0, 'WITHSCORES')}
end

-- Says that the keys stand at the end of a batch now.
local function reached(batch, changelog, stamp, clock, state, timers, index)
  redis.call('HDEL', KEYS[1], 'partial')
  redis.call('HSET', KEYS[1], 'batch', batch, 'changelog', changelog, 'stamp', stamp,
             'sizes', batch .. ':' .. sizes(state, timers, index))
  if clock ~= '' then redis.call('HSET', KEYS[1], 'clock', clock) else redis.call('HDEL', KEYS[1], 'clock') end
end
