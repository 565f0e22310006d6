import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import {
  equalDigests,
  JsonLineReader,
  type ValueDigest,
  ValueDigester,
} from '../../src/entries/index.ts';
import { decodePayload } from '../../src/rdb/index.ts';
import {
  findServer,
  isAtLeast,
  notRun,
  type ServerName,
  startServer,
  whyMissing,
} from '../support/servers.ts';
import { loadTruth } from '../support/truth.ts';
import { fixtureScene, onServer, restoreTo, type Scene } from './scene.ts';

const DOCUMENT = join(import.meta.dirname, '..', '..', 'docs', 'formats', 'value-digest.md');

test('the test vectors of docs/formats/value-digest.md are what ValueDigester gives', () => {
  const text = readFileSync(DOCUMENT, 'utf8');
  const rows = [...text.matchAll(/^\| `(\{.*\})` \| `([0-9a-f]{32})` \| (?:`(.*)`)? \|$/gm)];
  assert.ok(rows.length >= 15, `${rows.length} vectors`);
  for (const [, line = '', core, counters] of rows) {
    const raw = Buffer.from(`${line}\n`);
    const reader = new JsonLineReader();
    const digester = new ValueDigester();
    reader.open(raw, 0, raw.length);
    assert.ok(reader.next());
    reader.readValue(digester);
    assert.deepEqual(digester.digest(), { core, counters: counters ?? null }, line);
  }
  assert.equal(new Set(rows.map(([, , core]) => core)).size, rows.length - 1, 'one pair is equal');
});

/** The smallest and the largest limits for compact encodings. */
const LIMITS = { small: 1, large: 100_000 } as const;

async function digestsOn(
  name: ServerName,
  limit: keyof typeof LIMITS,
  scene: Scene,
): Promise<Map<string, ValueDigest>> {
  const binary = findServer(name);
  assert.ok(binary !== undefined);
  await using server = await startServer(binary);
  const compact = isAtLeast(binary, 7) ? 'listpack' : 'ziplist';
  await onServer(server.url, async (pipe) => {
    for (const kind of ['hash', 'zset', 'set']) {
      for (const what of [`${kind}-max-${compact}-entries`, `${kind}-max-${compact}-value`]) {
        await pipe.call('CONFIG', 'SET', what, LIMITS[limit]).catch(() => undefined);
      }
    }
    await pipe.call('CONFIG', 'SET', 'set-max-intset-entries', LIMITS[limit]);
    await pipe.call('CONFIG', 'SET', `list-max-${compact}-size`, limit === 'small' ? 1 : -5);
    const rdbcompression = limit === 'small' ? 'no' : 'yes';
    await pipe.call('CONFIG', 'SET', 'rdbcompression', rdbcompression);
  });
  await restoreTo(scene, server.url, { functions: 'skip' });
  const found = new Map<string, ValueDigest>();
  await onServer(server.url, async (pipe) => {
    for (const { db, key } of loadTruth('redis-7.0.15').loadedModel.keys.values()) {
      await pipe.call('SELECT', db);
      const payload = await pipe.call('DUMP', Buffer.from(key, 'latin1'));
      const digester = new ValueDigester();
      decodePayload(payload as Buffer, digester);
      found.set(`${db}:${key}`, digester.digest());
    }
  });
  return found;
}

describe('value digests', () => {
  test('are equal over servers and encodings, and different for different values', async (t) => {
    const places = [
      ['redis-6.0', 'small'],
      ['redis-newest', 'large'],
      ['valkey-9', 'small'],
    ] as const;
    for (const [name] of places) {
      if (findServer(name) === undefined) return notRun(t, name, whyMissing(name));
    }
    const scene = await fixtureScene('redis-7.0.15');
    const [first, ...others] = await Promise.all(
      places.map(([name, limit]) => digestsOn(name, limit, scene)),
    );
    assert.ok(first !== undefined && first.size > 250);
    for (const other of others) {
      for (const [key, digest] of first) {
        const there = other.get(key);
        assert.ok(there !== undefined && equalDigests(digest, there), key);
      }
    }
    const byValue = new Map<string, string>();
    for (const [id, key] of loadTruth('redis-7.0.15').loadedModel.keys) {
      const { value } = key;
      if (value.kind === 'stream') continue;
      const core = first.get(id)?.core ?? '';
      const text = JSON.stringify(value);
      assert.equal(byValue.get(core) ?? text, text, `${id} has the digest of another value`);
      byValue.set(core, text);
    }
    assert.ok(byValue.size > 150, `${byValue.size} different values`);
  });
});
