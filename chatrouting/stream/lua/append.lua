-- Gives one event its seq, keeps it, and tells whoever listens. All keys belong to one user.
-- KEYS 1 meta  2 stream  3 idempotency  4 run  5 run's text  6 mark of a member who left the thread
-- ARGV 1 body  2 owner  3 epoch to begin where there is none  4 most events kept  5 seconds a stream is kept
--      6 seconds a position is kept  7 seconds an idempotency key is kept ('' none)
--      8 fence of the run ('' none)  9 ordinal of the event under this fence ('' none)
--      10 what becomes of the run's text: '' nothing, 'set', 'add', 'drop'  11 text
--      12 bytes the text has before this is added
--      13 membership: '' any, 'member' refused to who left, 'leave' the last one for them, 'join' no longer gone
--      14 channel to publish on ('' none)  15 what comes before the body in the published message
--      16 attempt of the run that sets its text  17 run_id of this server
-- Returns {seq, epoch, 1 where it was appended before}, or {-1, '', 0} where the fence is stale,
-- {-2, '', 0} where the text that this is added to was lost, {-3, '', 0} where the user has left the thread.
-- The seq of an event that was appended before is 0 where it is no longer known.
local ended = 86400 -- seconds for which a worker may still speak of a run whose text was dropped: its end

local function begin()
  redis.call('DEL', KEYS[1], KEYS[2])
  redis.call('HSET', KEYS[1], 'epoch', ARGV[3], 'server', ARGV[17], 'seq', 0)
  return ARGV[3]
end

if ARGV[13] == 'member' and redis.call('EXISTS', KEYS[6]) == 1 then
  return {-3, '', 0}
end

local meta = redis.call('HMGET', KEYS[1], 'server', 'epoch')
local epoch = meta[2]
if meta[1] ~= ARGV[17] then -- no stream yet, or one that another server wrote and may have lost the tail of
  epoch = begin()
end

if ARGV[7] ~= '' then
  local kept = redis.call('GET', KEYS[3])
  if kept and string.sub(kept, 1, #epoch) == epoch then
    return {tonumber(string.sub(kept, #epoch + 2)), epoch, 1}
  end
end

if ARGV[8] ~= '' then
  local run = redis.call('HMGET', KEYS[4], 'fence', 'ordinal', 'seq', 'epoch')
  local fence, ordinal = tonumber(run[1] or '-1'), tonumber(run[2] or '0')
  if fence > tonumber(ARGV[8]) then
    return {-1, '', 0}
  end
  if fence == tonumber(ARGV[8]) and ARGV[9] ~= '' and ordinal >= tonumber(ARGV[9]) and run[4] == epoch then
    return {ordinal == tonumber(ARGV[9]) and tonumber(run[3]) or 0, epoch, 1}
  end
  if ARGV[10] == 'add' and redis.call('STRLEN', KEYS[5]) ~= tonumber(ARGV[12]) then
    return {-2, '', 0}
  end
  if fence < tonumber(ARGV[8]) then
    redis.call('HDEL', KEYS[4], 'ordinal')
  end
end

local seq = redis.call('HINCRBY', KEYS[1], 'seq', 1)
local added = redis.pcall('XADD', KEYS[2], 'MAXLEN', '~', ARGV[4], seq .. '-0', 'o', ARGV[2], 'd', ARGV[1])
if type(added) == 'table' and added.err then -- the counter stands before the stream: it was rolled back
  epoch = begin()
  seq = redis.call('HINCRBY', KEYS[1], 'seq', 1)
  redis.call('XADD', KEYS[2], seq .. '-0', 'o', ARGV[2], 'd', ARGV[1])
end
redis.call('EXPIRE', KEYS[1], ARGV[6])
redis.call('EXPIRE', KEYS[2], ARGV[5])
if ARGV[7] ~= '' then
  redis.call('SET', KEYS[3], epoch .. ':' .. seq, 'EX', ARGV[7])
end
if ARGV[8] ~= '' then
  if ARGV[9] ~= '' then
    redis.call('HSET', KEYS[4], 'fence', ARGV[8], 'seq', seq, 'epoch', epoch, 'ordinal', ARGV[9])
  else
    redis.call('HSET', KEYS[4], 'fence', ARGV[8], 'seq', seq, 'epoch', epoch)
  end
  redis.call('EXPIRE', KEYS[4], ARGV[10] == 'drop' and math.min(ended, ARGV[6]) or ARGV[6])
  if ARGV[10] == 'set' then
    redis.call('SET', KEYS[5], ARGV[11], 'EX', ARGV[6])
    redis.call('HSET', KEYS[4], 'attempt', ARGV[16])
  elseif ARGV[10] == 'add' then
    redis.call('APPEND', KEYS[5], ARGV[11])
    if ARGV[12] == '0' then -- it is new; one that was there keeps the time it was given, a run's is shorter
      redis.call('EXPIRE', KEYS[5], ARGV[6])
    end
  elseif ARGV[10] == 'drop' then
    redis.call('DEL', KEYS[5])
  end
end
if ARGV[13] == 'leave' then
  redis.call('SET', KEYS[6], 1, 'EX', ARGV[6])
elseif ARGV[13] == 'join' then
  redis.call('DEL', KEYS[6])
end
if ARGV[14] ~= '' then -- the rest of a MessagePack map that the sender began: body, seq as uint64, epoch as str8
  local rest = '\163seq\207' .. struct.pack('>I8', seq) .. '\165epoch\217' .. string.char(#epoch) .. epoch
  redis.call('PUBLISH', ARGV[14], ARGV[15] .. ARGV[1] .. rest)
end
return {seq, epoch, 0}
