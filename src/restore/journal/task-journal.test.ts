import assert from 'node:assert/strict';
import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { CodedError } from '../../base/index.ts';
import { emptyCounts, Tally } from '../counts.ts';
import { ABSENT, DIFFERENT, EQUAL, PRINT_BYTES } from '../look/block-sight.ts';
import { decodeNotes, encodeNotes } from './block-notes.ts';
import { listTasks, pruneTasks, readTask } from './list-tasks.ts';
import { TaskJournal } from './task-journal.ts';
import type { TaskRecord } from './task-record.ts';

const TASK = '0a1b2c3d';
const DAY_MS = 86_400_000;

const RECORD: TaskRecord = {
  task: TASK,
  startedAtMs: 1_000_000,
  repository: 'f'.repeat(32),
  source: 'shop-a1b2c3',
  backup: '20261122t123000z-7f3a2c',
  totalKeys: 12,
  target: {
    scheme: 'redis',
    host: 'db',
    port: 6379,
    path: null,
    tls: false,
    user: 'me',
    database: null,
    name: 'redis://db:6379',
    runId: 'e'.repeat(40),
  },
  emptyDatabases: [0],
  options: {
    selection: { databases: [0], keys: [Buffer.from([0, 255])], types: ['hash'] },
    mapDb: new Map([[0, 5]]),
    conflict: 'overwrite',
    ttl: 'remaining',
    functions: 'skip',
    functionConflict: 'skip',
    allowInexact: true,
  },
  origin: { repo: '/backups', tlsInsecure: true },
};

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'tidemark-tasks-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

function journalPath(state: string): string {
  return join(state, TASK, 'journal');
}

function tallyOf(selected: number): Tally {
  const tally = new Tally();
  Object.assign(tally.of(0), { ...emptyCounts(), selected, restored: selected });
  return tally;
}

const NOTES = {
  nowMs: 5,
  count: 3,
  states: Uint8Array.of(ABSENT, EQUAL, DIFFERENT),
  prints: Uint8Array.from({ length: 3 * PRINT_BYTES }, (_, i) => (i < 16 ? 0 : i)),
};

/** A journal with one block done, one begun, and a long key that was about to appear. */
async function interrupted(state: string): Promise<void> {
  const journal = await TaskJournal.create(state, RECORD, 1_000_000);
  await journal.beginBlock({ f: 0, b: 0 }, NOTES);
  const tally = tallyOf(3);
  tally.problem({ db: 0, key: 'k', code: 'inexact', message: 'why' });
  journal.endBlock({ f: 0, b: 0 }, 0, tally);
  await journal.beginBlock({ f: 0, b: 1 }, NOTES);
  await journal.beginLong({ f: 1, b: 0 }, 7);
  await journal.publishLong({ f: 1, b: 0 }, 'overwritten', Buffer.from('12345678'));
  const error = new CodedError('TARGET_LOST', 'gone');
  assert.equal(await journal.interrupt(error, 1_002_000), true);
}

test('encodeNotes keeps states and the fingerprints of different keys', () => {
  assert.deepEqual(decodeNotes(encodeNotes(NOTES)), NOTES);
  const nothing = { nowMs: 1, count: 2, states: new Uint8Array(2), prints: new Uint8Array(0) };
  assert.deepEqual(encodeNotes(nothing), { at: 1, n: 2 });
  assert.deepEqual(decodeNotes(encodeNotes(nothing)), nothing);
});

describe('TaskJournal', () => {
  test('tells the next run what was done and what was begun', async (t) => {
    const state = folder(t);
    await interrupted(state);
    const journal = await TaskJournal.open(state, TASK, 1_003_000);
    const { past, record } = journal;
    t.after(() => journal.interrupt(new Error('done'), 0));
    assert.deepEqual(record, RECORD);
    assert.equal(past.isDone({ f: 0, b: 0 }), true);
    assert.equal(past.isDone({ f: 0, b: 1 }), false);
    assert.deepEqual(past.notesOf({ f: 0, b: 1 }), NOTES);
    assert.equal(past.notesOf({ f: 0, b: 0 }), undefined);
    const { publishing } = past.longNotesOf({ f: 1, b: 0 }) ?? {};
    assert.equal(publishing?.outcome, 'overwritten');
    assert.equal(String(publishing?.print), '12345678');
    assert.equal(past.tally.totals.restored, 3);
    assert.equal(past.tally.problems.length, 1);
    assert.equal(past.workedMs, 2_000);
  });

  test('reads no more than whole records, and goes on behind them', async (t) => {
    const state = folder(t);
    await interrupted(state);
    const path = journalPath(state);
    const { length } = readFileSync(path);
    for (const spoil of [
      () => appendFileSync(path, '00000000 {"k":"done"'),
      () => appendFileSync(path, Buffer.alloc(100)),
      () => appendFileSync(path, '12345678 {"k":"done","f":0,"b":1,"db":0,"counts":{},"keys":1}\n'),
    ]) {
      spoil();
      const journal = await TaskJournal.open(state, TASK, 1_003_000);
      assert.equal(journal.past.isDone({ f: 0, b: 1 }), false);
      assert.equal(journal.past.tally.totals.restored, 3);
      await journal.interrupt(new Error('again'), 1_004_000);
    }
    truncateSync(path, length - 3);
    const journal = await TaskJournal.open(state, TASK, 1_005_000);
    assert.notEqual(journal.past.longNotesOf({ f: 1, b: 0 })?.publishing, undefined);
    journal.endBlock({ f: 0, b: 1 }, 0, tallyOf(4));
    await journal.interrupt(new Error('again'), 1_006_000);
    const last = await TaskJournal.open(state, TASK, 1_007_000);
    assert.equal(last.past.tally.totals.restored, 7);
    await last.interrupt(new Error('again'), 1_008_000);
  });

  test('is held by one process at a time', async (t) => {
    const state = folder(t);
    const journal = await TaskJournal.create(state, RECORD, 0);
    await journal.beginBlock({ f: 0, b: 0 }, NOTES);
    await assert.rejects(TaskJournal.open(state, TASK, 0), { code: 'TASK_HELD' });
    assert.equal((await readTask(state, TASK)).state, 'running');
    await journal.interrupt(new Error('stop'), 0);
    assert.equal((await readTask(state, TASK)).state, 'interrupted');
    const both = await Promise.allSettled([0, 1].map((at) => TaskJournal.open(state, TASK, at)));
    const opened = both.filter((result) => result.status === 'fulfilled');
    assert.ok(opened.length <= 1);
    for (const { value } of opened) await value.interrupt(new Error('stop'), 0);
  });

  test('takes over from a process that is dead, but not from another machine', async (t) => {
    const state = folder(t);
    await interrupted(state);
    const lock = (owner: object) =>
      writeFileSync(join(state, TASK, 'lock-7'), JSON.stringify(owner));
    lock({ pid: 2 ** 22 + 1, begun: null, host: hostname() });
    const journal = await TaskJournal.open(state, TASK, 0);
    await journal.interrupt(new Error('stop'), 0);
    // The number of the process was given to another one since.
    lock({ pid: process.pid, begun: 'another boot:1', host: hostname() });
    const next = await TaskJournal.open(state, TASK, 0);
    await next.interrupt(new Error('stop'), 0);
    lock({ pid: 1, begun: null, host: 'elsewhere' });
    await assert.rejects(TaskJournal.open(state, TASK, 0), { code: 'TASK_HELD' });
  });

  test('leaves nothing where nothing was begun', async (t) => {
    const state = folder(t);
    const journal = await TaskJournal.create(state, RECORD, 0);
    assert.equal(await journal.interrupt(new Error('early'), 0), false);
    assert.deepEqual(readdirSync(state), []);
  });

  test('cannot be resumed once it has finished', async (t) => {
    const state = folder(t);
    await interrupted(state);
    const journal = await TaskJournal.open(state, TASK, 1_003_000);
    await journal.finish(1_004_000);
    await assert.rejects(TaskJournal.open(state, TASK, 0), { code: 'USAGE', message: /finished/ });
    const { state: is, keys, endedAtMs } = await readTask(state, TASK);
    assert.deepEqual([is, keys, endedAtMs], ['done', 3, 1_004_000]);
  });

  test('is not found where there is none', async (t) => {
    const state = folder(t);
    for (const task of [TASK, 'no such task', '../0a1b2c3d', '']) {
      await assert.rejects(TaskJournal.open(state, task, 0), { code: 'TASK_NOT_FOUND' });
      await assert.rejects(readTask(state, task), { code: 'TASK_NOT_FOUND' });
    }
  });
});

describe('listTasks', () => {
  test('gives the tasks with their state, and leaves out what is none', async (t) => {
    const state = folder(t);
    assert.deepEqual(await listTasks(join(state, 'missing')), []);
    await interrupted(state);
    writeFileSync(join(state, 'note'), '');
    const [task, ...more] = await listTasks(state);
    assert.deepEqual(more, []);
    assert.deepEqual(task?.record, RECORD);
    assert.deepEqual([task.state, task.code, task.keys], ['interrupted', 'TARGET_LOST', 3]);
  });

  test('forgets what finished long ago, and nothing else', async (t) => {
    const state = folder(t);
    await interrupted(state);
    const later = 1_004_000 + 31 * DAY_MS;
    await pruneTasks(state, later);
    assert.equal((await listTasks(state)).length, 1);
    const journal = await TaskJournal.open(state, TASK, 1_003_000);
    await journal.finish(1_004_000);
    await pruneTasks(state, 1_004_000 + 29 * DAY_MS);
    assert.equal((await listTasks(state)).length, 1);
    await pruneTasks(state, later);
    assert.deepEqual(await listTasks(state), []);
  });
});
