-- Puts names into a queue, in this order, each once: one that is there keeps its place.
-- KEYS 1 the queue  2 the last place that was given
-- ARGV   the names, and last the run_id of this server, which does not matter here
for number = 1, #ARGV - 1 do
  redis.call('ZADD', KEYS[1], 'NX', redis.call('INCR', KEYS[2]), ARGV[number])
end
