import type { Arg } from './resp-pipe.ts';
import type { Draw, Kind, KeyType } from './workload-draw.ts';

function values(draw: Draw, most: number): Arg[] {
  return Array.from({ length: draw.random.between(1, most) }, () => draw.value());
}

function side(draw: Draw): string {
  return draw.random.pick(['LEFT', 'RIGHT']);
}

const LIST_KINDS: readonly Kind[] = [
  { weight: 4, make: (d) => [['RPUSH', d.key('list'), ...values(d, 4)]] },
  { weight: 3, make: (d) => [['LPUSH', d.key('list'), ...values(d, 3)]] },
  { weight: 1, make: (d) => [[d.random.pick(['LPUSHX', 'RPUSHX']), d.key('list'), d.value()]] },
  { weight: 2, make: (d) => [[d.random.pick(['LPOP', 'RPOP']), d.key('list')]] },
  { weight: 1, needs: ['lmove'], make: (d) => [['LPOP', d.key('list'), d.random.between(1, 5)]] },
  { weight: 2, make: (d) => [['LTRIM', d.key('list'), 0, d.random.between(3, 60)]] },
  { weight: 1, make: (d) => [['LSET', d.key('list'), d.random.between(-3, 3), d.value()]] },
  { weight: 1, make: (d) => [['LINSERT', d.key('list'), 'BEFORE', d.random.below(99), 'new']] },
  { weight: 1, make: (d) => [['LREM', d.key('list'), d.random.between(-1, 1), 'new']] },
  { weight: 1, make: (d) => [['RPOPLPUSH', d.key('list'), d.key('list')]] },
  {
    weight: 1,
    needs: ['lmove'],
    make: (d) => [['LMOVE', d.key('list'), d.key('list'), side(d), side(d)]],
  },
  {
    weight: 2,
    needs: ['lmpop'],
    make: (d) => [['LMPOP', 2, d.key('list'), d.key('list'), side(d), 'COUNT', 3]],
  },
  {
    weight: 1,
    make: (d) => [['SORT', d.key('list'), 'ALPHA', 'LIMIT', 0, 20, 'STORE', d.key('list')]],
  },
  {
    weight: 1,
    make: (d) => [
      ['SORT', d.key('set'), 'ALPHA', 'GET', '#', 'GET', 'w:hash:*->f1', 'STORE', d.key('list')],
    ],
  },
];

const SET_KINDS: readonly Kind[] = [
  { weight: 5, make: (d) => [['SADD', d.key('set'), ...d.members(5)]] },
  { weight: 1, make: (d) => [['SREM', d.key('set'), ...d.members(3)]] },
  { weight: 2, make: (d) => [['SPOP', d.key('set')]] },
  { weight: 1, make: (d) => [['SPOP', d.key('set'), d.random.between(1, 6)]] },
  { weight: 1, make: (d) => [['SPOP', d.key('set'), 1000]] },
  { weight: 2, make: (d) => [['SMOVE', d.key('set'), d.key('set'), d.member()]] },
  { weight: 1, make: (d) => [['SINTERSTORE', d.key('set'), d.key('set'), d.key('set')]] },
  { weight: 1, make: (d) => [['SUNIONSTORE', d.key('set'), d.key('set'), d.key('set')]] },
  { weight: 1, make: (d) => [['SDIFFSTORE', d.key('set'), d.key('set'), d.key('set')]] },
];

const ZSET_STORES = ['ZUNIONSTORE', 'ZINTERSTORE'];

const ZSET_KINDS: readonly Kind[] = [
  { weight: 5, make: (d) => [['ZADD', d.key('zset'), d.score(), d.member()]] },
  {
    weight: 1,
    make: (d) => [
      ['ZADD', d.key('zset'), d.random.pick(['NX', 'XX', 'CH']), d.score(), d.member()],
    ],
  },
  {
    weight: 1,
    needs: ['zrangestore'],
    make: (d) => [['ZADD', d.key('zset'), d.random.pick(['GT', 'LT']), d.score(), d.member()]],
  },
  { weight: 1, make: (d) => [['ZADD', d.key('zset'), 'INCR', d.random.below(9), d.member()]] },
  { weight: 1, make: (d) => [['ZINCRBY', d.key('zset'), d.random.double(), d.member()]] },
  { weight: 1, make: (d) => [['ZREM', d.key('zset'), ...d.members(3)]] },
  { weight: 1, make: (d) => [['ZPOPMIN', d.key('zset'), d.random.between(1, 3)]] },
  { weight: 1, make: (d) => [['ZPOPMAX', d.key('zset')]] },
  {
    weight: 1,
    needs: ['zmpop'],
    make: (d) => [['ZMPOP', 2, d.key('zset'), d.key('geo'), 'MAX', 'COUNT', 2]],
  },
  { weight: 1, make: (d) => [['ZREMRANGEBYRANK', d.key('zset'), 40, -1]] },
  { weight: 1, make: (d) => [['ZREMRANGEBYSCORE', d.key('zset'), -5, 5]] },
  {
    weight: 1,
    make: (d) => [
      [d.random.pick(ZSET_STORES), d.key('zset'), 2, d.key('zset'), d.key('geo'), 'WEIGHTS', 2, 1],
    ],
  },
  {
    weight: 1,
    needs: ['zdiffstore'],
    make: (d) => [['ZDIFFSTORE', d.key('zset'), 2, d.key('zset'), d.key('set')]],
  },
  {
    weight: 1,
    needs: ['zrangestore'],
    make: (d) => [['ZRANGESTORE', d.key('zset'), d.key('zset'), 0, 12]],
  },
  {
    weight: 2,
    make: (d) => [['GEOADD', d.key('geo'), d.random.below(170), d.random.below(80), d.name('p')]],
  },
  {
    weight: 1,
    make: (d) => {
      const to = d.random.pick(['STORE', 'STOREDIST']);
      return [['GEORADIUS', d.key('geo'), 80, 40, 5000, 'km', to, d.key('geo')]];
    },
  },
  {
    weight: 1,
    needs: ['geosearchstore'],
    make: (d) => [
      ['GEOSEARCHSTORE', d.key('geo'), d.key('geo'), 'FROMLONLAT', 80, 40, 'BYRADIUS', 6000, 'km'],
    ],
  },
];

const HASH_KINDS: readonly Kind[] = [
  { weight: 5, make: (d) => [['HSET', d.key('hash'), d.field(), d.value(), d.field(), d.value()]] },
  { weight: 1, make: (d) => [['HSETNX', d.key('hash'), d.field(), d.value()]] },
  { weight: 1, make: (d) => [['HMSET', d.key('hash'), d.field(), d.value()]] },
  { weight: 2, make: (d) => [['HDEL', d.key('hash'), d.field(), d.field()]] },
  { weight: 2, make: (d) => [['HINCRBY', d.key('hash'), d.name('n'), d.random.between(-9, 9)]] },
  { weight: 1, make: (d) => [['HINCRBYFLOAT', d.key('hash'), d.name('x'), '0.1']] },
];

function fields(draw: Draw): Arg[] {
  return ['FIELDS', 2, draw.field(), draw.name('n')];
}

function fieldExpiry(draw: Draw): Arg[] {
  return draw.random.chance(0.5) ? ['PX', draw.ttlMs()] : ['PXAT', draw.atMs()];
}

const FIELD_EXPIRY_KINDS: readonly Kind[] = [
  {
    weight: 2,
    needs: ['hexpire'],
    make: (d) => [['HPEXPIRE', d.key('hash'), d.ttlMs(), ...fields(d)]],
  },
  {
    weight: 1,
    needs: ['hexpire'],
    make: (d) => [['HEXPIRE', d.key('hash'), d.seconds(), ...fields(d)]],
  },
  {
    weight: 1,
    needs: ['hexpire'],
    make: (d) => [
      ['HPEXPIREAT', d.key('hash'), d.atMs(), d.random.pick(['NX', 'GT', 'LT']), ...fields(d)],
    ],
  },
  {
    weight: 1,
    needs: ['hexpire'],
    make: (d) => [['HEXPIREAT', d.key('hash'), d.atSeconds(), ...fields(d)]],
  },
  { weight: 1, needs: ['hexpire'], make: (d) => [['HPERSIST', d.key('hash'), ...fields(d)]] },
  {
    weight: 2,
    needs: ['hsetex'],
    make: (d) => [['HSETEX', d.key('hash'), ...fieldExpiry(d), 'FIELDS', 1, d.field(), d.value()]],
  },
  {
    weight: 1,
    needs: ['hsetex'],
    make: (d) => [['HSETEX', d.key('hash'), 'FNX', 'KEEPTTL', 'FIELDS', 1, d.field(), d.value()]],
  },
  {
    weight: 1,
    needs: ['hgetex'],
    make: (d) => [['HGETEX', d.key('hash'), ...fieldExpiry(d), ...fields(d)]],
  },
  {
    weight: 1,
    needs: ['hgetex'],
    make: (d) => [['HGETEX', d.key('hash'), 'PERSIST', ...fields(d)]],
  },
  { weight: 1, needs: ['hgetdel'], make: (d) => [['HGETDEL', d.key('hash'), ...fields(d)]] },
];

/**
 * Elements are only added and removed: replicas of Redis 8.0 and 8.6 keep the old vector of one
 * that their master sets anew.
 */
const VECTOR_KINDS: readonly Kind[] = [
  {
    weight: 1,
    needs: ['vadd'],
    make: (d) => {
      const vector = [d.random.below(90), d.random.below(90), 7];
      return [['VADD', d.key('vector'), 'VALUES', 3, ...vector, d.newName('v'), 'NOQUANT']];
    },
  },
  { weight: 1, needs: ['vadd'], make: (d) => [['VREM', d.key('vector'), d.oldName('v')]] },
];

const MOVABLE: readonly KeyType[] = ['string', 'list', 'set', 'zset', 'hash', 'stream', 'counter'];

/** What works on a key of any type. */
const KEY_KINDS: readonly Kind[] = [
  { weight: 4, make: (d) => [['PEXPIRE', d.key('any'), d.ttlMs()]] },
  { weight: 2, make: (d) => [['EXPIRE', d.key('any'), d.seconds()]] },
  { weight: 2, make: (d) => [['PEXPIREAT', d.key('any'), d.atMs()]] },
  { weight: 1, make: (d) => [['EXPIREAT', d.key('any'), d.atSeconds()]] },
  { weight: 1, make: (d) => [['EXPIRE', d.key('any'), -1]] },
  {
    weight: 1,
    needs: ['expiretime'],
    make: (d) => [['PEXPIRE', d.key('any'), d.ttlMs(), d.random.pick(['NX', 'XX', 'GT', 'LT'])]],
  },
  { weight: 2, make: (d) => [['PERSIST', d.key('any')]] },
  { weight: 2, make: (d) => [['DEL', d.key('any'), d.key('any')]] },
  { weight: 1, make: (d) => [['UNLINK', d.key('any')]] },
  {
    weight: 2,
    make: (d) => {
      const type = d.random.pick(MOVABLE);
      return [[d.random.pick(['RENAME', 'RENAMENX']), d.key(type), d.key(type)]];
    },
  },
  { weight: 2, make: (d) => [['MOVE', d.key('any'), d.database()]] },
  {
    weight: 2,
    needs: ['copy'],
    make: (d) => {
      const type = d.random.pick(MOVABLE);
      const to = d.random.chance(0.5) ? ['DB', String(d.database())] : [];
      return [['COPY', d.key(type), d.key(type), ...to, 'REPLACE']];
    },
  },
  {
    weight: 1,
    make: (d) => {
      const payload = d.payloads.length > 0 ? d.random.pick(d.payloads) : Buffer.from('none');
      const ttl = d.random.chance(0.5)
        ? [d.ttlMs(), payload, 'REPLACE']
        : [d.atMs(), payload, 'REPLACE', 'ABSTTL'];
      return [['RESTORE', d.key('any'), ...ttl]];
    },
  },
];

/** Lists, sets, sorted sets, hashes, geo, vector sets, and what is done to keys of any type. */
export const COLLECTION_KINDS: readonly Kind[] = [
  ...LIST_KINDS,
  ...SET_KINDS,
  ...ZSET_KINDS,
  ...HASH_KINDS,
  ...FIELD_EXPIRY_KINDS,
  ...VECTOR_KINDS,
  ...KEY_KINDS,
];
