import type { Arg } from './resp-pipe.ts';
import type { Draw, Kind } from './workload-draw.ts';

const GROUPS = ['g0', 'g1', Buffer.from([0x67, 0xff])];

function group(draw: Draw): Arg {
  return draw.random.pick(GROUPS);
}

function consumer(draw: Draw): string {
  return `c${draw.random.below(4)}`;
}

/** An id that may exist: entries of a stream whose ids are given by hand are numbered. */
function entryId(draw: Draw): string {
  return `${draw.random.between(1, 90)}-1`;
}

/** Streams: entries by the server's clock in some keys, by given ids in others; groups. */
export const STREAM_KINDS: readonly Kind[] = [
  { weight: 4, make: (d) => [['XADD', d.key('stream'), '*', d.name('f'), d.value()]] },
  {
    weight: 2,
    make: (d) => [
      ['XADD', d.key('stream'), 'MAXLEN', '~', 30, '*', 'f', d.random.word(6), 'g', d.value()],
    ],
  },
  { weight: 2, make: (d) => [['XADD', d.key('stream'), 'MAXLEN', 25, '*', 'f', d.value()]] },
  { weight: 2, make: (d) => [['XADD', d.key('stream'), entryId(d), 'f', d.value()]] },
  {
    weight: 1,
    needs: ['xautoclaim'],
    make: (d) => [['XADD', d.key('stream'), 'NOMKSTREAM', '*', 'f', d.value()]],
  },
  { weight: 1, make: (d) => [['XTRIM', d.key('stream'), 'MAXLEN', '~', 20]] },
  { weight: 1, make: (d) => [['XTRIM', d.key('stream'), 'MAXLEN', d.random.between(0, 20)]] },
  {
    weight: 1,
    needs: ['xautoclaim'],
    make: (d) => [['XTRIM', d.key('stream'), 'MINID', '~', entryId(d)]],
  },
  { weight: 1, make: (d) => [['XDEL', d.key('stream'), entryId(d), entryId(d)]] },
  {
    weight: 3,
    make: (d) => [
      ['XGROUP', 'CREATE', d.key('stream'), group(d), d.random.pick(['0', '$']), 'MKSTREAM'],
    ],
  },
  { weight: 1, make: (d) => [['XGROUP', 'SETID', d.key('stream'), group(d), entryId(d)]] },
  { weight: 1, make: (d) => [['XGROUP', 'DELCONSUMER', d.key('stream'), group(d), consumer(d)]] },
  { weight: 1, make: (d) => [['XGROUP', 'DESTROY', d.key('stream'), group(d)]] },
  {
    weight: 1,
    needs: ['xautoclaim'],
    make: (d) => [['XGROUP', 'CREATECONSUMER', d.key('stream'), group(d), consumer(d)]],
  },
  {
    weight: 6,
    make: (d) => {
      const count = ['COUNT', d.random.between(1, 5), ...(d.random.chance(0.15) ? ['NOACK'] : [])];
      const key = d.key('stream');
      return [['XREADGROUP', 'GROUP', group(d), consumer(d), ...count, 'STREAMS', key, '>']];
    },
  },
  {
    weight: 2,
    make: (d) => {
      const key = d.key('stream');
      const ids = [1, 2, 3, 4].map(() => entryId(d));
      return [['XACK', key, group(d), ...ids]];
    },
  },
  {
    weight: 2,
    make: (d) => {
      const ids = [entryId(d), entryId(d), ...(d.random.chance(0.3) ? ['JUSTID'] : [])];
      return [['XCLAIM', d.key('stream'), group(d), consumer(d), 0, ...ids]];
    },
  },
  {
    weight: 2,
    needs: ['xautoclaim'],
    make: (d) => [['XAUTOCLAIM', d.key('stream'), group(d), consumer(d), 0, '0', 'COUNT', 4]],
  },
  { weight: 1, make: (d) => [['XSETID', d.key('stream'), `${d.random.between(90, 95)}-1`]] },
  {
    weight: 1,
    needs: ['xackdel'],
    make: (d) => [
      ['XACKDEL', d.key('stream'), group(d), 'ACKED', 'IDS', 2, entryId(d), entryId(d)],
      ['XDELEX', d.key('stream'), 'DELREF', 'IDS', 1, entryId(d)],
    ],
  },
  {
    weight: 1,
    needs: ['xcfgset'],
    make: (d) => {
      const key = d.key('stream');
      const producer = d.name('p');
      const message = d.random.below(5);
      return [['XADD', key, 'IDMP', producer, message, '*', 'f', message]];
    },
  },
];
