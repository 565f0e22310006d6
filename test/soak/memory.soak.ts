import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { freemem, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { RespPipe } from '../support/resp-pipe.ts';
import {
  findServer,
  notRun,
  type RunningServer,
  startServer,
  whyMissing,
} from '../support/servers.ts';

/** 1: four gigabytes of data, keys of one gigabyte. */
const SCALE = Number(process.env['SOAK_SCALE'] ?? 1);
const LIMIT_BYTES = 512 * 2 ** 20;
const SERVER = 'redis-7.0';

type Shape = {
  readonly name: string;
  readonly fill: (pipe: RespPipe) => Promise<void>;
  readonly keys: number;
  /** What the lines must at least hold, or the shape is not what it says. */
  readonly bytes: number;
  /** RESTORE alone can write it, which no server takes at this size: see docs/restore.md. */
  readonly onlyBackup?: boolean;
};

const GIB = 2 ** 30 * SCALE;
const ELEMENT_BYTES = 1000;
const ELEMENTS = Math.floor(GIB / ELEMENT_BYTES);
const BATCH = 500;

/** Bytes that no compression makes smaller, different for each seed. */
function noise(seed: number, size: number): Buffer {
  const bytes = Buffer.allocUnsafe(size);
  let state = seed + 1;
  for (let i = 0; i < size; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/** One key of many elements, sent in commands of some hundred. */
async function fillKey(
  pipe: RespPipe,
  element: (index: number) => (string | Buffer)[],
  command: string,
) {
  const value = noise(1, ELEMENT_BYTES);
  for (let i = 0; i < ELEMENTS; i += BATCH) {
    const args: (string | Buffer)[] = [];
    for (let n = i; n < Math.min(ELEMENTS, i + BATCH); n++) {
      for (const part of element(n)) args.push(part);
    }
    pipe.pipe(command, 'big', ...args.flatMap((part) => (part === '*' ? [value] : [part])));
    if ((i / BATCH) % 20 === 0) await pipe.done();
  }
  await pipe.done();
}

function numbered(index: number): Buffer {
  const member = noise(2, ELEMENT_BYTES);
  member.writeUInt32BE(index, 0);
  return member;
}

async function fillString(pipe: RespPipe, size: number): Promise<void> {
  const piece = noise(3, 4 << 20);
  for (let at = 0; at < size; at += piece.length) {
    pipe.pipe('SETRANGE', 'big', at, piece.subarray(0, Math.min(piece.length, size - at)));
    await pipe.done();
  }
}

const SHAPES: readonly Shape[] = [
  {
    name: 'a data set of 4 GiB',
    keys: Math.floor(4 * ELEMENTS),
    bytes: 3.8 * GIB,
    fill: async (pipe) => {
      await pipe.call('CONFIG', 'SET', 'rdbcompression', 'no');
      await pipe.call(
        'DEBUG',
        'POPULATE',
        String(Math.floor(4 * ELEMENTS)),
        'key',
        String(ELEMENT_BYTES),
      );
    },
  },
  {
    name: 'a string of 512 MiB',
    keys: 1,
    bytes: GIB / 2.1,
    fill: (pipe) => fillString(pipe, Math.floor(GIB / 2)),
  },
  {
    name: 'a string of 512 MiB that the server compresses',
    keys: 1,
    bytes: GIB / 2.1,
    fill: async (pipe) => {
      await pipe.call('SETRANGE', 'big', String(Math.floor(GIB / 2) - 1), 'x');
    },
  },
  {
    name: 'a hash of 1 GiB',
    keys: 1,
    bytes: 0.95 * GIB,
    fill: (pipe) => fillKey(pipe, (i) => [`field ${i}`, '*'], 'HSET'),
  },
  {
    name: 'a list of 1 GiB',
    keys: 1,
    bytes: 0.95 * GIB,
    fill: (pipe) => fillKey(pipe, () => ['*'], 'RPUSH'),
  },
  {
    name: 'a set of 1 GiB',
    keys: 1,
    bytes: 0.95 * GIB,
    fill: (pipe) => fillKey(pipe, (i) => [numbered(i)], 'SADD'),
  },
  {
    name: 'a sorted set of 1 GiB',
    keys: 1,
    bytes: 0.95 * GIB,
    fill: (pipe) => fillKey(pipe, (i) => [String(i / 3), numbered(i)], 'ZADD'),
  },
  {
    name: 'a stream of 1 GiB',
    onlyBackup: true,
    keys: 1,
    bytes: 0.95 * GIB,
    fill: async (pipe) => {
      const value = noise(1, ELEMENT_BYTES);
      for (let i = 1; i <= ELEMENTS; i++) {
        pipe.pipe('XADD', 'big', `1-${i}`, 'field', value);
        if (i % 5000 === 0) await pipe.done();
      }
      await pipe.done();
    },
  },
];

/** Runs a script of its own and gives what it measured. */
async function measured(t: TestContext, script: string, ...args: string[]) {
  const file = join(import.meta.dirname, script);
  const { stdout } = await promisify(execFile)(process.execPath, [file, ...args]);
  t.diagnostic(`${script} ${stdout.trim()}`);
  const found = JSON.parse(stdout) as Record<string, number>;
  const peak = found['peakBytes'] ?? Number.POSITIVE_INFINITY;
  assert.ok(peak < LIMIT_BYTES, `${Math.round(peak / 2 ** 20)} MiB at the peak of ${script}`);
  return found;
}

async function digestOf(server: RunningServer): Promise<unknown> {
  const pipe = await RespPipe.open(server.url);
  try {
    return String(await pipe.call('DEBUG', 'DIGEST'));
  } finally {
    pipe.close();
  }
}

describe(`backup and restore stay below ${LIMIT_BYTES / 2 ** 20} MiB of memory`, () => {
  for (const { name, fill, keys, bytes, onlyBackup } of SHAPES) {
    test(`for ${name}, times ${SCALE}`, async (t) => {
      const binary = findServer(SERVER);
      if (binary === undefined) return notRun(t, SERVER, whyMissing(SERVER));
      const needed = Math.max(bytes * 3, GIB);
      if (freemem() < needed) return notRun(t, name, `${needed} bytes of memory are needed`);
      await using server = await startServer(binary, { readyTimeoutMs: 60_000 });
      const pipe = await RespPipe.open(server.url);
      await fill(pipe);
      pipe.close();
      const folder = mkdtempSync(join(tmpdir(), 'tidemark-soak-'));
      try {
        const backup = await measured(t, 'measured-backup.ts', server.url, folder);
        assert.equal(backup['keys'], keys);
        assert.ok((backup['rawBytes'] ?? 0) >= bytes, 'the shape is smaller than it says');
        if (onlyBackup === true) return;
        await using target = await startServer(binary, { readyTimeoutMs: 60_000 });
        const restore = await measured(t, 'measured-restore.ts', target.url, folder);
        assert.equal(restore['restored'], keys);
        assert.equal(await digestOf(target), await digestOf(server));
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    });
  }
});
