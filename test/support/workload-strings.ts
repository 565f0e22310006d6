import type { Arg } from './resp-pipe.ts';
import type { Draw, Kind } from './workload-draw.ts';

function expiryOption(draw: Draw): Arg[] {
  const { random } = draw;
  switch (random.below(4)) {
    case 0:
      return ['EX', draw.seconds()];
    case 1:
      return ['PXAT', draw.atMs()];
    case 2:
      return ['EXAT', draw.atSeconds()];
    default:
      return ['PX', draw.ttlMs()];
  }
}

/** As every server since 6.0 knows it. */
function oldExpiryOption(draw: Draw): Arg[] {
  return draw.random.chance(0.5) ? ['EX', draw.seconds()] : ['PX', draw.ttlMs()];
}

const BIT_OPERATIONS = ['AND', 'OR', 'XOR'];

/** Strings, counters, bits, HyperLogLog. */
export const STRING_KINDS: readonly Kind[] = [
  { weight: 6, make: (d) => [['SET', d.key('string'), d.value()]] },
  { weight: 4, make: (d) => [['SET', d.key('string'), d.value(), ...oldExpiryOption(d)]] },
  {
    weight: 3,
    needs: ['getex'],
    make: (d) => [['SET', d.key('string'), d.value(), ...expiryOption(d)]],
  },
  { weight: 1, make: (d) => [['SET', d.key('string'), d.value(), 'KEEPTTL']] },
  { weight: 1, make: (d) => [['SET', d.key('any'), d.value(), d.random.pick(['NX', 'XX'])]] },
  {
    weight: 1,
    needs: ['getex'],
    make: (d) => [['SET', d.key('string'), d.value(), 'GET', ...expiryOption(d)]],
  },
  {
    weight: 1,
    needs: ['delifeq'],
    make: (d) => {
      const key = d.key('string');
      return [
        ['SET', key, 'compared'],
        ['SET', key, d.value(), 'IFEQ', d.random.pick(['compared', 'other'])],
        ['SET', key, 'again'],
        ['DELIFEQ', key, d.random.pick(['again', 'other'])],
      ];
    },
  },
  {
    weight: 1,
    needs: ['delex'],
    make: (d) => {
      const key = d.key('string');
      return [
        ['SET', key, 'compared'],
        ['SET', key, d.value(), 'IFEQ', d.random.pick(['compared', 'other'])],
        ['DELEX', key, 'IFNE', 'compared'],
      ];
    },
  },
  { weight: 1, make: (d) => [['SETEX', d.key('string'), d.seconds(), d.value()]] },
  { weight: 1, make: (d) => [['PSETEX', d.key('string'), d.ttlMs(), d.value()]] },
  { weight: 1, make: (d) => [['SETNX', d.key('string'), d.value()]] },
  { weight: 1, make: (d) => [['GETSET', d.key('string'), d.value()]] },
  { weight: 1, needs: ['getdel'], make: (d) => [['GETDEL', d.key('string')]] },
  { weight: 2, needs: ['getex'], make: (d) => [['GETEX', d.key('string'), ...expiryOption(d)]] },
  { weight: 1, needs: ['getex'], make: (d) => [['GETEX', d.key('string'), 'PERSIST']] },
  {
    weight: 2,
    make: (d) => [
      [d.random.pick(['MSET', 'MSETNX']), d.key('string'), d.value(), d.key('string'), d.value()],
    ],
  },
  {
    weight: 1,
    needs: ['msetex'],
    make: (d) => [
      ['MSETEX', 2, d.key('string'), d.value(), d.key('string'), d.value(), ...expiryOption(d)],
    ],
  },
  { weight: 2, make: (d) => [['APPEND', d.key('string'), d.value()]] },
  { weight: 2, make: (d) => [['SETRANGE', d.key('string'), d.random.below(200), d.value()]] },
  { weight: 2, make: (d) => [['INCRBY', d.key('counter'), d.random.between(-100, 100)]] },
  { weight: 1, make: (d) => [['DECR', d.key('counter')]] },
  { weight: 1, make: (d) => [['PEXPIRE', d.key('counter'), d.ttlMs()]] },
  { weight: 1, make: (d) => [['INCRBYFLOAT', d.key('float'), d.random.below(1000) / 8]] },
  {
    weight: 1,
    make: (d) => {
      const key = d.key('float');
      return [
        ['SET', key, d.random.below(100) / 16, 'PX', d.ttlMs()],
        ['INCRBYFLOAT', key, '0.1'],
      ];
    },
  },
  { weight: 2, make: (d) => [['SETBIT', d.key('bits'), d.random.below(4000), d.random.below(2)]] },
  {
    weight: 1,
    make: (d) => [
      ['BITOP', d.random.pick(BIT_OPERATIONS), d.key('bits'), d.key('bits'), d.key('string')],
    ],
  },
  { weight: 1, make: (d) => [['BITOP', 'NOT', d.key('bits'), d.key('bits')]] },
  {
    weight: 1,
    make: (d) => [
      [
        'BITFIELD',
        d.key('bits'),
        'SET',
        'u9',
        d.random.below(900),
        7,
        'OVERFLOW',
        'SAT',
        'INCRBY',
        'i5',
        d.random.below(900),
        3,
      ],
    ],
  },
  { weight: 2, make: (d) => [['PFADD', d.key('hyperloglog'), ...d.members(4)]] },
  { weight: 1, make: (d) => [['PFCOUNT', d.key('hyperloglog')]] },
  {
    weight: 1,
    make: (d) => [['PFMERGE', d.key('hyperloglog'), d.key('hyperloglog'), d.key('hyperloglog')]],
  },
];
