import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  command,
  NOON,
  type SampleLog,
  sampleLog,
  storeSample,
} from '../../../test/fakes/sample-log.ts';
import { SeededRandom } from '../../../test/support/seeded-random.ts';
import { CodedError } from '../../base/index.ts';
import { encodeTrailer, skippableFrame } from '../data-file/data-file-format.ts';
import { readLogStream } from './log-stream.ts';
import { readSegmentDirectory } from './read-segment.ts';
import { readShardLogs } from './shard-logs.ts';

const SEED = 20_261_122;
const ROUNDS = 600;
const WRONG = [null, -1, 0, 1, 0.5, 2 ** 53, 1e300, '', 'x', true, [], {}, [1], [[1, 2]], [null]];

type Json = Record<string, unknown>;

async function sample(): Promise<{ log: SampleLog; name: string; before: Buffer; json: Json }> {
  const log = await sampleLog();
  const pieces = [command('SET', 'a', '1'), command('FLUSHALL'), command('MY.CMD')];
  const { name } = await storeSample(log, {
    pieces: pieces.map((bytes, i) => ({ bytes, atMs: NOON + i * 600, sinceMs: NOON - 5 })),
    brackets: [{ offset: 5, ms: NOON }],
  });
  const { bytes } = log.storage.objects.get(name)!;
  const start = bytes.indexOf('TMSG') - 8;
  const json = JSON.parse(bytes.toString('utf8', start + 12, bytes.length - 40)) as Json;
  return { log, name, before: bytes.subarray(0, start), json };
}

/** Every place in a document that can be changed. */
function places(value: unknown, found: [Json, string][] = []): [Json, string][] {
  if (typeof value !== 'object' || value === null) return found;
  for (const key of Object.keys(value)) {
    found.push([value as Json, key]);
    places((value as Json)[key], found);
  }
  return found;
}

function changeOne(document: Json, random: SeededRandom): string {
  const [holder, key] = random.pick(places(document));
  const was = holder[key];
  if (random.chance(0.1)) delete holder[key];
  else if (typeof was === 'number' && random.chance(0.5)) holder[key] = was + random.between(-3, 3);
  else holder[key] = structuredClone(random.pick(WRONG));
  return `${key}: ${JSON.stringify(was)} to ${JSON.stringify(holder[key])}`;
}

test(`a directory that lies, with a good checksum, ends in an error or a value (seed ${SEED})`, async () => {
  const random = new SeededRandom(SEED);
  const { log, name, before, json } = await sample();
  const { repository, source, storage } = log;
  let refused = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const document = structuredClone(json);
    const what = changeOne(document, random);
    const frame = skippableFrame('TMSG', Buffer.from(JSON.stringify(document)));
    const bytes = Buffer.concat([before, frame, encodeTrailer(before.length, frame)]);
    storage.objects.set(name, { bytes, modifiedAtMs: NOON });
    try {
      await readSegmentDirectory(repository, source, name);
      const [{ lineages }] = await readShardLogs(repository, source);
      const { segments } = lineages[0];
      const [{ startOffset, endOffset }] = segments;
      const stream = readLogStream(repository, lineages[0], startOffset, endOffset);
      for await (const piece of stream) assert.ok(piece.bytes.length > 0);
    } catch (error) {
      assert.ok(error instanceof CodedError, `round ${round}, ${what}: ${String(error)}`);
      refused++;
    }
  }
  assert.ok(refused > ROUNDS / 3);
});
