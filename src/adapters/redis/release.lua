-- Gives leases back. Those of other processes stay.
--
-- KEYS  the lease of each stage (string)
-- ARGV  1 own entry
-- Returns  {"ok"}
for _, key in ipairs(KEYS) do
  if redis.call('GET', key) == ARGV[1] then redis.call('DEL', key) end
end
return {'ok'}
