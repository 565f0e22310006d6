import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { EXIT } from '../../src/cli/index.ts';
import type { DataFileRecord } from '../../src/repository/index.ts';
import { runHere, type Ran } from '../cli/fake-terminal.ts';
import { resealed } from '../fakes/resealed-file.ts';
import { relics } from '../support/relic-builder.ts';
import { mutate } from '../support/mutate.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { loadRdb } from '../support/truth.ts';
import { caseSeed, type HostileCases, type Outcome } from './hostile-cases.ts';

/** Small dumps of three servers that differ; the last can be restored exactly to any server. */
const IMPORTED = ['valkey-9.1.2.cluster', 'redis-8.6.3.lfu', 'redis-6.0.20.lru'] as const;

/** The last lines of a document: `"documentDigest": "sha256:…"` and `}`. */
const DIGEST_LINE = /( {2}"documentDigest": "sha256:)[0-9a-f]{64}("\n\}\n)$/;

type Held = { readonly path: string; readonly name: string; readonly bytes: Buffer };

/** What a repository says when all is well. */
type Truth = { readonly cat: string; readonly list: string };

/**
 * A repository of small backups of which one object is damaged; every command that reads is run
 * in this process. Damage that repairs the digest of a document reaches what stands behind it.
 */
export class DamagedRepositories implements HostileCases {
  readonly #root: string;
  readonly #repo: string;
  readonly #objects: readonly Held[];
  readonly #truth: Truth;
  readonly #options: { readonly restoreTo?: string; readonly restoreEvery: number };
  readonly #targetTruth: unknown;

  private constructor(
    root: string,
    repo: string,
    truth: Truth,
    options: { readonly restoreTo?: string; readonly restoreEvery: number },
    targetTruth: unknown,
  ) {
    this.#root = root;
    this.#repo = repo;
    this.#truth = truth;
    this.#options = options;
    this.#targetTruth = targetTruth;
    this.#objects = readObjects(repo);
  }

  /** `restoreTo`: address of a server that may be emptied; every so many cases restore to it. */
  static async create(
    options: { readonly restoreTo?: string; readonly restoreEvery?: number } = {},
  ): Promise<DamagedRepositories> {
    const root = mkdtempSync(join(tmpdir(), 'tidemark-hostile-'));
    const repo = join(root, 'repo');
    for (const name of IMPORTED) {
      const file = join(root, `${name}.rdb`);
      writeFileSync(file, loadRdb(name));
      expectDone(await runHere(['import', file, '--source', 'hostile', '--adopt', '--repo', repo]));
    }
    const small = join(root, 'relic.rdb');
    writeFileSync(small, relics()[0].file);
    expectDone(await runHere(['import', small, '--source', 'other', '--repo', repo]));
    const truth = {
      cat: digestOf(await runHere(['cat', 'latest', '--source', 'hostile', '--repo', repo])),
      list: (await runHere(['list', '--repo', repo])).stdout,
    };
    const { restoreEvery = 50, ...rest } = options;
    const restore = { ...rest, restoreEvery };
    const target = options.restoreTo;
    let digest: unknown;
    if (target !== undefined) {
      expectDone(await restoreLatest(target, repo));
      digest = await targetDigest(target);
    }
    return new DamagedRepositories(root, repo, truth, restore, digest);
  }

  async run(seed: number, index: number): Promise<Outcome> {
    const random = new SeededRandom(caseSeed(seed, index));
    const held = random.pick(this.#objects);
    const damage = this.#forgeDirectory(held, random) ?? chooseDamage(held, random);
    const what = `${held.name}: ${damage.what}`;
    const manifest = damage.manifest;
    writeFileSync(held.path, damage.bytes);
    if (manifest) writeFileSync(manifest.held.path, manifest.bytes);
    try {
      return { end: await this.#look(held, damage, index), what };
    } catch (error) {
      throw new Error(what, { cause: error });
    } finally {
      writeFileSync(held.path, held.bytes);
      if (manifest) writeFileSync(manifest.held.path, manifest.held.bytes);
    }
  }

  /** A directory damaged by somebody who makes every digest right again, up to the manifest's. */
  #forgeDirectory(held: Held, random: SeededRandom): Damage | undefined {
    const place = /^(sources\/[^/]+)\/data\/([^/]+)\/.*zst$/.exec(held.name);
    const name = place === null ? undefined : `${place[1]}/backups/${place[2]}.json`;
    const manifest = this.#objects.find((object) => object.name === name);
    if (manifest === undefined || random.chance(0.5)) return undefined;
    const document = JSON.parse(manifest.bytes.toString()) as { files: DataFileRecord[] };
    const at = document.files.findIndex((file) => file.name === held.name);
    let what = '';
    const forged = resealed(held.bytes, document.files[at], (directory) => {
      // Behind magic, length and tag, which say where it is.
      const inner = directory.subarray(12);
      const damaged = mutate(inner, random, random.between(1, 2));
      what = damaged.what;
      damaged.bytes.copy(inner, 0, 0, inner.length);
    });
    document.files[at] = forged.record;
    const bytes = forge(Buffer.from(`${JSON.stringify(document, null, 2)}\n`));
    return {
      bytes: forged.bytes,
      what: `directory: ${what}, forged`,
      isForged: true,
      manifest: { held: manifest, bytes },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    rmSync(this.#root, { recursive: true, force: true });
  }

  async #look(held: Held, damage: Damage, index: number): Promise<string> {
    const repo = ['--repo', this.#repo];
    const source = ['--source', 'hostile'];
    const listed = expectCoded('list', await runHere(['list', ...repo]));
    expectCoded('list --json', await runHere(['list', '--json', ...repo]));
    const shown = expectCoded('show', await runHere(['show', 'latest', ...source, ...repo]));
    const cat = expectCoded('cat', await runHere(['cat', 'latest', ...source, ...repo]));
    const verified = expectCoded('verify', await runHere(['verify', ...repo]));
    const one = ['cat', 'latest', '--key', 'no such key', ...source, ...repo];
    expectCoded('cat --key', await runHere(one));
    if (cat.status === EXIT.done && !damage.isForged) {
      assert.equal(digestOf(cat), this.#truth.cat, 'other entries, and no error');
    }
    const isWell = [listed, shown, cat, verified].every(({ status }) => status === EXIT.done);
    if (isWell && damage.isForged && held.name.includes('/data/')) {
      assert.equal(digestOf(cat), this.#truth.cat, 'verify finds nothing where data differs');
    }
    if (this.#options.restoreTo !== undefined && index % this.#options.restoreEvery === 0) {
      await this.#restore(this.#options.restoreTo, damage);
    }
    if (verified.status === EXIT.done) return 'ok';
    return /"code":\s*"(\w+)"/.exec(verified.stderr)?.[1] ?? 'found by verify';
  }

  async #restore(target: string, damage: Damage): Promise<void> {
    const restored = expectCoded('restore', await restoreLatest(target, this.#repo));
    if (restored.status !== EXIT.done || damage.isForged) return;
    assert.deepEqual(await targetDigest(target), this.#targetTruth, 'other data was restored');
  }
}

type Damage = {
  readonly bytes: Buffer;
  readonly what: string;
  /** The digest of the object was made right again. */
  readonly isForged: boolean;
  /** A manifest that was changed with it. */
  readonly manifest?: { readonly held: Held; readonly bytes: Buffer };
};

function chooseDamage({ bytes, name }: Held, random: SeededRandom): Damage {
  const isDocument = name.endsWith('.json');
  if (!isDocument || random.chance(0.3)) {
    return { ...mutate(bytes, random, random.between(1, 2)), isForged: false };
  }
  const damaged = random.chance(0.5)
    ? mutate(bytes, random, random.between(1, 2))
    : changeMember(bytes, random);
  return {
    ...damaged,
    bytes: forge(damaged.bytes),
    what: `${damaged.what}, forged`,
    isForged: true,
  };
}

/** Makes the digest of a document right for whatever stands before it. */
function forge(bytes: Buffer): Buffer {
  const text = bytes.toString('latin1');
  const match = DIGEST_LINE.exec(text);
  if (match === null) return bytes;
  const body = Buffer.from(text.slice(0, match.index), 'latin1');
  const digest = createHash('sha256').update(body).digest('hex');
  return Buffer.concat([body, Buffer.from(`${match[1]}${digest}${match[2]}`, 'latin1')]);
}

const NASTY: readonly unknown[] = [
  null,
  true,
  -1,
  0,
  1e300,
  2 ** 53,
  '',
  '../../../etc/passwd',
  'x'.repeat(100_000),
  '\u0000\u001b[31m',
  [],
  {},
  [[[[]]]],
  { __proto__: null, constructor: 1 },
];

/** Puts something else in the place of one member, however deep. */
function changeMember(bytes: Buffer, random: SeededRandom): { bytes: Buffer; what: string } {
  const document = JSON.parse(bytes.toString()) as Record<string, unknown>;
  let place: Record<string, unknown> = document;
  let path = '';
  for (;;) {
    const names = Object.keys(place).filter((name) => name !== 'documentDigest');
    if (names.length === 0) break;
    const name = random.pick(names);
    path += `.${name}`;
    const value = place[name];
    if (typeof value === 'object' && value !== null && random.chance(0.75)) {
      place = value as Record<string, unknown>;
      continue;
    }
    if (random.chance(0.2)) delete place[name];
    else place[name] = random.chance(0.1) ? nested(20_000) : random.pick(NASTY);
    break;
  }
  return { bytes: Buffer.from(`${JSON.stringify(document, null, 2)}\n`), what: `${path} changed` };
}

function nested(depth: number): unknown {
  let value: unknown = 0;
  // Deeper than a writer that calls itself could go.
  for (let i = 0; i < Math.min(depth, 2000); i++) value = [value];
  return value;
}

function readObjects(repo: string): Held[] {
  const names = readdirSync(repo, { recursive: true, encoding: 'utf8' });
  return names
    .filter((name) => !name.startsWith('.') && statSync(join(repo, name)).isFile())
    .sort()
    .map((name) => ({ name, path: join(repo, name), bytes: readFileSync(join(repo, name)) }));
}

/** A command ends well or with an error that has a code; a mistake of ours tells a stack. */
function expectCoded(what: string, ran: Ran): Ran {
  const isBug = /^hint: This is a mistake of Tidemark itself/m.test(ran.stderr);
  assert.ok(!isBug, `${what}: ${ran.stderr.slice(0, 2000)}`);
  const known: readonly number[] = Object.values(EXIT);
  assert.ok(known.includes(ran.status), `${what} ended with ${ran.status}`);
  return ran;
}

function expectDone(ran: Ran): void {
  assert.equal(ran.status, EXIT.done, ran.stdout + ran.stderr);
}

function digestOf(ran: Ran): string {
  return createHash('sha256').update(ran.stdout).digest('hex');
}

async function restoreLatest(target: string, repo: string): Promise<Ran> {
  const { RespPipe } = await import('../support/resp-pipe.ts');
  const pipe = await RespPipe.open(target);
  await pipe.call('FLUSHALL');
  pipe.close();
  const args = ['restore', 'latest', '--to', target, '--ttl', 'persist', '--yes'];
  const state = ['--state', join(dirname(repo), 'state')];
  const more = ['--source', 'hostile', '--workers', '1', '--repo', repo];
  return await runHere([...args, ...state, ...more]);
}

async function targetDigest(target: string): Promise<string> {
  const { RespPipe } = await import('../support/resp-pipe.ts');
  const pipe = await RespPipe.open(target);
  try {
    return String(await pipe.call('DEBUG', 'DIGEST'));
  } finally {
    pipe.close();
  }
}
