-- Takes or renews the leases of a process, all or none.
--
-- KEYS  the lease of each stage (string: the entry of the process that holds it)
-- ARGV  1 own entry   2 how long it is held from now on, ms   3 "1" if free leases may be taken
--       4... entries of processes that are known to be dead: these leases count as free, and are taken
-- Returns  {"ours"}   all are held by the caller now
--          {"free"}   nobody else holds one, and they may not be taken
--          {"other", entry, ms until it ends}   another process holds one; nothing was changed
local own, dead = ARGV[1], {}
for i = 4, #ARGV do dead[ARGV[i]] = true end
local may_take = ARGV[3] == '1'
for _, key in ipairs(KEYS) do
  local entry = redis.call('GET', key)
  if entry and entry ~= own then
    if not dead[entry] then return {'other', entry, math.max(redis.call('PTTL', key), 0)} end
    may_take = true
  end
end
if not may_take then
  for _, key in ipairs(KEYS) do
    if redis.call('GET', key) ~= own then return {'free'} end
  end
end
for _, key in ipairs(KEYS) do redis.call('SET', key, own, 'PX', ARGV[2]) end
return {'ours'}
