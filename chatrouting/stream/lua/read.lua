-- Reads a user's stream after a position, whole or not at all.
-- KEYS 1 meta  2 stream
-- ARGV 1 epoch asked ('' none)  2 seq asked  3 epoch to begin where there is none
--      4 most events in the answer  5 seconds a position is kept  6 bytes after which the answer ends
--      7 run_id of this server
-- Returns {epoch, top, 1 where everything after the position is kept, {seq, owner, body, …}}.
if redis.call('HGET', KEYS[1], 'server') ~= ARGV[7] then
  redis.call('DEL', KEYS[1], KEYS[2])
  redis.call('HSET', KEYS[1], 'epoch', ARGV[3], 'server', ARGV[7], 'seq', 0)
  redis.call('EXPIRE', KEYS[1], ARGV[5])
end
local meta = redis.call('HMGET', KEYS[1], 'epoch', 'seq')
local epoch, top, asked = meta[1], tonumber(meta[2]), tonumber(ARGV[2])
if ARGV[1] ~= epoch or asked > top then
  return {epoch, top, 0, {}}
end
local found, bytes = {}, 0
if asked < top then
  local entries = redis.call('XRANGE', KEYS[2], (asked + 1) .. '-0', meta[2] .. '-0', 'COUNT', ARGV[4])
  if #entries == 0 or entries[1][1] ~= (asked + 1) .. '-0' then
    return {epoch, top, 0, {}}
  end
  for _, entry in ipairs(entries) do
    found[#found + 1] = string.match(entry[1], '%d+')
    found[#found + 1] = entry[2][2]
    found[#found + 1] = entry[2][4]
    bytes = bytes + #entry[2][4]
    if bytes >= tonumber(ARGV[6]) then
      break
    end
  end
end
return {epoch, top, 1, found}
