import assert from 'node:assert/strict';
import { test } from 'node:test';
import { matchesGlob } from '../../src/entries/index.ts';
import { GLOB_TABLE } from './glob-table.ts';
import { RespPipe } from '../support/resp-pipe.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { findServer, notRun, SERVER_NAMES, startServer, whyMissing } from '../support/servers.ts';

const LETTERS = ['a', 'b', 'c', '-', ']', '[', '^', '*', '?', '\\'];

for (const name of SERVER_NAMES) {
  test(`matchesGlob agrees with KEYS of ${name}`, async (t) => {
    const binary = findServer(name);
    if (binary === undefined) return notRun(t, name, whyMissing(name));
    await using server = await startServer(binary);
    const pipe = await RespPipe.open(server.url);
    const random = new SeededRandom(4);
    const patterns = new Set(GLOB_TABLE.map(([pattern]) => pattern));
    // Redis lets no pattern but a single star match the empty key; we let every run of stars.
    const texts = new Set(GLOB_TABLE.map(([, text]) => text).filter((text) => text !== ''));
    const word = (longest: number): string =>
      Array.from({ length: random.between(1, longest) }, () => random.pick(LETTERS)).join('');
    while (patterns.size < 1500) patterns.add(word(7));
    while (texts.size < 500) texts.add(word(5));
    for (const text of texts) pipe.pipe('SET', Buffer.from(text, 'latin1'), 'x');
    await pipe.done();
    const differences: string[] = [];
    for (const pattern of patterns) {
      if (pattern === '') continue;
      const glob = Buffer.from(pattern, 'latin1');
      const reply = (await pipe.call('KEYS', glob)) as Buffer[];
      const theirs = new Set(reply.map((key) => Buffer.from(key).toString('latin1')));
      for (const text of texts) {
        const key = Buffer.from(text, 'latin1');
        const ours = matchesGlob(glob, key, 0, key.length);
        if (ours !== theirs.has(text)) differences.push(`${pattern} on ${text}: we say ${ours}`);
      }
    }
    pipe.close();
    assert.deepEqual(differences.slice(0, 30), []);
  });
}
