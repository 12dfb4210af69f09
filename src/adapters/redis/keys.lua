-- Names keys of one partition, page by page, at exactly the expected marker (E3, E15). A key that is
-- there from the first page to the last is named at least once.
--
-- KEYS  1 meta (hash)   2 state (hash)   3 timers (sorted set)   4 index (sorted set)
-- ARGV  1 epoch   2 identity   3 batch   4 cursor ("0" = first page)   5 about so many
-- Returns  {"ok", cursor of the next page ("0" = this was the last), keys}
--          {"fenced", epoch found}
--          {"lost", what was found}
local refusal = unreadable(read_meta(), ARGV[3], KEYS[2], KEYS[3], KEYS[4])
if refusal then return refusal end

local page = redis.call('HSCAN', KEYS[2], ARGV[4], 'COUNT', ARGV[5])
local keys = {}
for i = 1, #page[2], 2 do keys[#keys + 1] = page[2][i] end
return {'ok', page[1], keys}
