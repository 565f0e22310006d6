import type { RecordedPiece } from '../support/raw-replica.ts';
import type { ServerName } from '../support/servers.ts';
import type { PsyncTruth } from '../support/truth.ts';
import type { Recording } from './recorded-log.ts';

/** A recorded link of the fixtures, with the arrival times that were recorded with it. */
export function fixtureRecording(truth: PsyncTruth): Recording {
  const { bytes, layout, receiveTimes, replid, startOffset } = truth;
  const [rdbStart, rdbEnd] = layout.rdb;
  const [streamStart, streamEnd] = layout.stream;
  const pieces: RecordedPiece[] = [];
  let from = streamStart;
  for (const [received, atMs] of receiveTimes) {
    const to = Math.min(received, streamEnd);
    if (to <= from) continue;
    pieces.push({ bytes: bytes.subarray(from, to), atMs });
    from = to;
  }
  if (from !== streamEnd) throw new Error(`${truth.name} has bytes without a time`);
  const [family = '', version = ''] = truth.server.split('-');
  const rdb = bytes.subarray(rdbStart, rdbEnd);
  return { rdb, replid, startOffset, pieces, server: { family, version } };
}

const CHOICES: readonly (readonly [prefix: string, sandbox: ServerName])[] = [
  ['redis-4.0', 'redis-7.0'],
  ['redis-5.0', 'redis-6.0'],
  ['redis-6.0', 'redis-7.0'],
  ['redis-6.2', 'redis-7.0'],
  ['redis-7.0', 'redis-7.0'],
  ['redis-7.2', 'redis-8.0'],
  ['redis-7.4', 'redis-8.0'],
  ['redis-8.0.2', 'redis-8.0'],
  ['redis-8.0.6', 'redis-newest'],
  ['redis-8.6', 'redis-newest'],
  ['valkey-7.2', 'valkey-8'],
  ['valkey-8', 'valkey-8'],
  ['valkey-9', 'valkey-9'],
  ['keydb-6.3', 'redis-7.0'],
];

/** The nearest of the test servers that is not older than the recorded one. */
export function sandboxFor({ server }: PsyncTruth): { readonly sandbox: ServerName } {
  const found = CHOICES.find(([prefix]) => server.startsWith(prefix));
  if (found === undefined) throw new Error(`No server for ${server}`);
  return { sandbox: found[1] };
}
