-- Replaces a value, only where it still is what the caller knew.
-- KEYS 1 the value
-- ARGV 1 what the caller knew ('' nothing)  2 what replaces it ('' nothing)  3 milliseconds it is kept
--      4 run_id of this server, which does not matter here
-- Returns nil where it was replaced, else the value that stands there ('' none).
local found = redis.call('GET', KEYS[1]) or ''
if found ~= ARGV[1] then
  return found
end
if ARGV[2] == '' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
return nil
