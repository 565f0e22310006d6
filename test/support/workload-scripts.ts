import type { Kind } from './workload-draw.ts';

const BODIES = [
  "redis.call('INCR', KEYS[1]) redis.call('SADD', KEYS[2], ARGV[1]) return 1",
  "for i = 1, 5 do redis.call('RPUSH', KEYS[1], ARGV[1] .. i) end return redis.call('LLEN', KEYS[1])",
  "local m = redis.call('SPOP', KEYS[2]) if m then redis.call('SET', KEYS[1], m, 'PX', ARGV[2]) end",
  "redis.call('SELECT', ARGV[3]) redis.call('HSET', KEYS[1], 'script', ARGV[1]) return 1",
  "redis.call('SET', KEYS[1], redis.call('TIME')[2]) redis.call('PEXPIRE', KEYS[1], ARGV[2])",
  "redis.call('DEL', KEYS[1]) return redis.call('EXISTS', KEYS[2])",
  "redis.call('SET', KEYS[1], 'before the error') return redis.call('LPUSH', KEYS[1], 'x')",
];

const LIBRARY = `#!lua name=workload
redis.register_function('put', function(keys, args)
  redis.call('HSET', keys[1], 'by', args[1])
  return redis.call('ZADD', keys[2], args[2], args[1])
end)
redis.register_function('drain', function(keys, args)
  local n = 0
  while redis.call('LPOP', keys[1]) do n = n + 1 end
  redis.call('SET', keys[2], n, 'PX', args[2])
  return n
end)`;

/** Scripts, functions, and what concerns whole databases. */
export const WHOLE_KINDS: readonly Kind[] = [
  {
    weight: 5,
    make: (d) => {
      const args = [d.member(), d.ttlMs(), d.database()];
      return [['EVAL', d.random.pick(BODIES), 2, d.key('any'), d.key('set'), ...args]];
    },
  },
  { weight: 1, make: (d) => [['SCRIPT', 'LOAD', d.random.pick(BODIES)]] },
  {
    weight: 1,
    make: (d) => {
      const sha = d.scripts.length > 0 ? d.random.pick(d.scripts) : 'none';
      const args = [d.member(), d.ttlMs(), d.database()];
      return [['EVALSHA', sha, 2, d.key('counter'), d.key('set'), ...args]];
    },
  },
  { weight: 0.3, needs: ['function'], make: () => [['FUNCTION', 'LOAD', 'REPLACE', LIBRARY]] },
  {
    weight: 0.3,
    needs: ['function'],
    make: (d) => {
      const renamed = LIBRARY.replace('workload', `w${d.random.below(3)}`);
      const code = renamed.replace("'put'", "'put2'").replace("'drain'", "'drain2'");
      return [['FUNCTION', 'LOAD', 'REPLACE', code]];
    },
  },
  { weight: 0.1, needs: ['function'], make: () => [['FUNCTION', 'DELETE', 'workload']] },
  { weight: 0.05, needs: ['function'], make: () => [['FUNCTION', 'FLUSH']] },
  {
    weight: 3,
    needs: ['function'],
    make: (d) => [
      ['FCALL', 'put', 2, d.key('hash'), d.key('zset'), d.member(), d.random.below(100)],
      ['FCALL', 'drain', 2, d.key('list'), d.key('string'), 1, d.ttlMs()],
    ],
  },
  { weight: 0.4, make: (d) => [['SWAPDB', d.database(), d.database()]] },
  { weight: 0.04, make: (d) => [['SELECT', d.database()], ['FLUSHDB']] },
  { weight: 0.004, make: () => [['FLUSHALL']] },
  { weight: 0.3, make: (d) => [['PUBLISH', 'channel', d.value()]] },
];

export { BODIES as SCRIPT_BODIES };
