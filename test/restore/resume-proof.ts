import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { listTasks, type RestoreReport } from '../../src/restore/index.ts';
import { Tidemark, tidemark } from '../cli/run-tidemark.ts';
import { RespPipe } from '../support/resp-pipe.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { type RunningServer, startServer } from '../support/servers.ts';

/**
 * Kills `tidemark restore` at random moments, lets an application change keys, resumes, and demands
 * what an uninterrupted restore would have left, and of the changed keys what the application did.
 */

export const POLICIES = ['rename', 'skip', 'overwrite', 'fail'] as const;
export type Policy = (typeof POLICIES)[number];

/** By `<db>:<key in latin1>`: a digest of value and expiry. */
type Snapshot = Map<string, string>;

const SERVER = 'redis-7.0';
const DATABASES = [0, 3];
const FAR = 4_102_444_800_000;
const SUFFIX = /_dbs_[0-9a-f]+_\d+$/;

export class KillProof {
  /** What the kills came upon: a proof that saw none of these proves little. */
  readonly seen = { unfinishedBlocks: 0, changedKeys: 0 };
  readonly #folder: string;
  readonly #target: RunningServer;
  readonly #random: SeededRandom;
  /** What the backup holds. */
  readonly #backup: Snapshot;
  /** How long an uninterrupted restore takes, by policy. */
  readonly #durations = new Map<Policy, number>();

  private constructor(
    folder: string,
    target: RunningServer,
    random: SeededRandom,
    backup: Snapshot,
  ) {
    this.#folder = folder;
    this.#target = target;
    this.#random = random;
    this.#backup = backup;
  }

  static async create(seed: number, keys: number): Promise<KillProof> {
    const random = new SeededRandom(seed);
    const folder = mkdtempSync(join(tmpdir(), 'tidemark-kills-'));
    await using source = await startServer(SERVER);
    await fill(source.url, random, keys);
    const made = await tidemark(['backup', source.url, '--repo', join(folder, 'repo')]);
    assert.equal(made.status, 0, made.stderr);
    const backup = await snapshot(source.url);
    return new KillProof(folder, await startServer(SERVER), random, backup);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#target.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** One restore with at least one kill on its way. Gives the number of kills that hit it. */
  async round(policy: Policy): Promise<number> {
    const seed = this.#random.uint32();
    const { expected, before } = await this.#reference(policy, seed);
    await this.#prepare(policy, seed);
    const state = join(this.#folder, `tasks-${seed}`);
    const changed: Snapshot = new Map();
    const restored = new Set<string>();
    let kills = 0;
    let report: RestoreReport | undefined;
    for (let attempt = 0; report === undefined; attempt++) {
      const [task] = await listTasks(state);
      // Killed when all was done, before it could say so.
      if (task?.state === 'done') break;
      const args = task === undefined ? this.#newArgs(policy) : ['--resume', task.record.task];
      const mayKill = attempt === 0 || (attempt < 4 && this.#random.chance(0.5));
      const run = new Tidemark(['restore', ...args, '--state', state, '--json']);
      const timer = mayKill ? this.#killLater(run, policy) : undefined;
      const { status, stdout, stderr } = await run.finished;
      clearTimeout(timer);
      if (status === null) {
        kills++;
        this.seen.unfinishedBlocks += unfinishedBlocks(state);
        if (this.#random.chance(0.6)) {
          await this.#change(policy, before, changed, restored, attempt);
        }
        continue;
      }
      assert.ok(status === 0 || status === 4, `${policy}, seed ${seed}: ${stderr}${stdout}`);
      report = JSON.parse(stdout) as RestoreReport;
    }
    await this.#check(`${policy}, seed ${seed}`, policy, report, expected, changed, restored);
    return kills;
  }

  #newArgs(policy: Policy): string[] {
    const rate = `${this.#random.between(4, 16)}MiB/s`;
    const args = ['latest', '--to', this.#target.url, '--repo', join(this.#folder, 'repo')];
    return [...args, '--conflict', policy, '--yes', '--rate', rate];
  }

  #killLater(run: Tidemark, policy: Policy): NodeJS.Timeout {
    const wholeMs = this.#durations.get(policy) ?? 1000;
    return setTimeout(
      () => run.kill('SIGKILL'),
      wholeMs * (0.35 + (0.65 * this.#random.below(1000)) / 1000),
    );
  }

  /** What an uninterrupted restore leaves, renamed keys by a name without their task. */
  async #reference(policy: Policy, seed: number) {
    await this.#prepare(policy, seed);
    const before = await snapshot(this.#target.url);
    const begunAt = performance.now();
    const state = join(this.#folder, 'reference');
    const run = await tidemark(['restore', ...this.#newArgs(policy), '--state', state, '--json']);
    this.#durations.set(policy, performance.now() - begunAt);
    assert.equal(run.status, 0, run.stderr);
    return { before, expected: withoutTasks(await snapshot(this.#target.url)) };
  }

  /** The target before the restore: with keys of its own, equal ones, and other ones. */
  async #prepare(policy: Policy, seed: number): Promise<void> {
    const random = new SeededRandom(seed);
    const pipe = await RespPipe.open(this.#target.url);
    await pipe.call('FLUSHALL');
    const share = random.pick([0, 0.2, 0.6]);
    for (const db of DATABASES) {
      pipe.pipe('SELECT', db);
      pipe.pipe('SET', 'of the target', 'x');
      for (const [id] of this.#backup) {
        if (!id.startsWith(`${db}:`) || !random.chance(share)) continue;
        const key = keyOf(id);
        if (policy === 'fail') continue;
        if (random.chance(0.5)) pipe.pipe('SET', key, `other ${random.uint32()}`);
        else pipe.pipe('RPUSH', key, 'other', String(random.uint32()));
        if (random.chance(0.3)) pipe.pipe('PEXPIREAT', key, FAR + random.below(1000));
      }
    }
    await pipe.done();
    pipe.close();
  }

  /** An application at work between a kill and the resume. */
  async #change(
    policy: Policy,
    before: Snapshot,
    changed: Snapshot,
    restored: Set<string>,
    attempt: number,
  ): Promise<void> {
    const now = await snapshot(this.#target.url);
    const pipe = await RespPipe.open(this.#target.url);
    const names = [...this.#backup.keys()];
    for (let i = 0; i < 150; i++) {
      const id = this.#random.pick(names);
      const isRestored = now.get(id) === this.#backup.get(id) && now.get(id) !== before.get(id);
      // With `fail` a key that appears is a conflict, and would end the restore for good.
      if (policy === 'fail' && !isRestored) continue;
      if (changed.has(id)) continue;
      pipe.pipe('SELECT', id.slice(0, id.indexOf(':')));
      if (isRestored && this.#random.chance(0.3)) pipe.pipe('PEXPIREAT', keyOf(id), FAR + 7777 + i);
      else pipe.pipe('SET', keyOf(id), `application ${attempt} ${i}`);
      changed.set(id, '');
      if (isRestored) restored.add(id);
    }
    await pipe.done();
    pipe.close();
    const after = await snapshot(this.#target.url);
    for (const id of changed.keys()) changed.set(id, after.get(id) ?? '');
  }

  async #check(
    what: string,
    policy: Policy,
    report: RestoreReport | undefined,
    expected: Snapshot,
    changed: Snapshot,
    restored: ReadonlySet<string>,
  ): Promise<void> {
    const left = await snapshot(this.#target.url);
    const suffixes = new Set([...left.keys()].flatMap((id) => SUFFIX.exec(id)?.[0] ?? []));
    assert.ok(suffixes.size <= 1, `${what}: names of ${suffixes.size} tasks`);
    const after = withoutTasks(left);
    for (const [id, digest] of changed) {
      const mayReplace = policy === 'overwrite' && !restored.has(id);
      if (mayReplace && after.get(id) === this.#backup.get(id)) continue;
      assert.equal(after.get(id), digest, `${what}: the application's ${id} was lost`);
    }
    for (const id of new Set([...expected.keys(), ...after.keys()])) {
      const base = id.replace(/_dbs$/, '');
      if (changed.has(base)) continue;
      assert.equal(after.get(id), expected.get(id), `${what}: ${id} differs`);
    }
    if (report === undefined) return;
    const { totals, problems } = report;
    this.seen.changedKeys += totals.changed;
    for (const { db, key, code, message } of problems) {
      assert.equal(code, 'TARGET_CHANGED', `${what}: ${key}: ${message}`);
      const name = `${db}:${key}`.replace(SUFFIX, '');
      assert.ok(changed.has(name), `${what}: ${key} is said to be changed`);
    }
    const { selected, inexact: _, ...outcomes } = totals;
    const sum = Object.values(outcomes).reduce((a, b) => a + b, 0);
    assert.equal(selected, this.#backup.size, what);
    assert.equal(sum, selected, `${what}: ${JSON.stringify(totals)}`);
  }
}

/** Blocks that a journal calls begun and not done. */
function unfinishedBlocks(state: string): number {
  const open = new Set<string>();
  for (const task of existsSync(state) ? readdirSync(state) : []) {
    const path = join(state, task, 'journal');
    for (const line of existsSync(path)
      ? readFileSync(path, 'utf8').split('\n').slice(1, -1)
      : []) {
      const { k, f, b } = JSON.parse(line.slice(9)) as { k: string; f?: number; b?: number };
      if (k === 'begun' || k === 'long') open.add(`${f}/${b}`);
      if (k === 'done') open.delete(`${f}/${b}`);
    }
  }
  return open.size;
}

function keyOf(id: string): Buffer {
  return Buffer.from(id.slice(id.indexOf(':') + 1), 'latin1');
}

/** Renamed copies by the name that they have in every task. */
function withoutTasks(all: Snapshot): Snapshot {
  return new Map([...all].map(([id, digest]) => [id.replace(SUFFIX, '_dbs'), digest]));
}

async function fill(url: string, random: SeededRandom, keys: number): Promise<void> {
  const pipe = await RespPipe.open(url);
  for (const db of DATABASES) {
    pipe.pipe('SELECT', db);
    for (let i = 0; i < keys / 2; i++) {
      const key = `key:${i}`;
      const text = (): string => random.word(random.pick([5, 40, 900]));
      if (i % 10 === 1) pipe.pipe('HSET', key, text(), text(), 'b', text());
      else if (i % 10 === 2) pipe.pipe('RPUSH', key, text(), text(), text());
      else if (i % 10 === 3) pipe.pipe('SADD', key, text(), text(), text());
      else if (i % 10 === 4) pipe.pipe('ZADD', key, i, text(), -i, text());
      else if (i % 50 === 5) pipe.pipe('XADD', key, '1-1', text(), text());
      else pipe.pipe('SET', key, random.word(900));
      if (random.chance(0.2)) pipe.pipe('PEXPIREAT', key, FAR + i);
    }
  }
  pipe.pipe('SET', 'long:string', random.bytes(3 << 20));
  for (let i = 0; i < 6; i++) {
    const texts = Array.from({ length: 400 }, (_, n) => `${i}:${n}:${random.word(900)}`);
    pipe.pipe('RPUSH', 'long:list', ...texts);
    pipe.pipe('SADD', 'long:set', ...texts);
    pipe.pipe('HSET', 'long:hash', ...texts);
    for (const [n, text] of texts.entries())
      pipe.pipe('XADD', 'long:stream', `${i + 1}-${n + 1}`, 'f', text);
  }
  await pipe.done();
  pipe.close();
}

const EXPIRIES =
  "local r = {} for i, k in ipairs(KEYS) do r[i] = redis.call('PEXPIRETIME', k) end return r";

async function snapshot(url: string): Promise<Snapshot> {
  const all: Snapshot = new Map();
  const pipe = await RespPipe.open(url);
  for (const db of DATABASES) {
    await pipe.call('SELECT', db);
    const keys = (await pipe.call('KEYS', '*')) as Buffer[];
    for (let i = 0; i < keys.length; i += 500) {
      const some = keys.slice(i, i + 500);
      const digests = (await pipe.call('DEBUG', 'DIGEST-VALUE', ...some)) as Buffer[];
      const expiries = (await pipe.call('EVAL', EXPIRIES, some.length, ...some)) as number[];
      for (const [n, key] of some.entries()) {
        const hash = createHash('sha1').update(String(digests[n])).update(String(expiries[n]));
        all.set(`${db}:${key.toString('latin1')}`, hash.digest('base64'));
      }
    }
  }
  pipe.close();
  return all;
}
