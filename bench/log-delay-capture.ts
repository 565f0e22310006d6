import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { runCapture } from '../src/capture/index.ts';
import { parseAddress } from '../src/redis/index.ts';
import { openRepository } from '../src/repository/index.ts';
import { DirectoryStorage } from '../src/storage/index.ts';

/**
 * A capture that notes when it made what durable: `node bench/log-delay-capture.ts FOLDER ADDRESS`.
 * Prints "ready" when it records, and at the end of its standard input, as JSON, when each sync of
 * the spool began and ended and which offset was stored when.
 */
export type CaptureTimes = {
  /** Begin and end of each sync, Unix milliseconds. */
  readonly syncs: readonly (readonly [number, number])[];
  /** When, and up to which offset, the repository held the log. */
  readonly stored: readonly (readonly [number, number])[];
};

const [folder = '', url = ''] = process.argv.slice(2);
const syncs: [number, number][] = [];
const stored: [number, number][] = [];

const probe = await open(join(folder, 'probe'), 'w');
const prototype = Object.getPrototypeOf(probe) as { datasync: () => Promise<void> };
await probe.close();
const { datasync } = prototype;
prototype.datasync = async function (this: typeof prototype): Promise<void> {
  const begunAt = Date.now();
  await datasync.call(this);
  syncs.push([begunAt, Date.now()]);
};

const abort = new AbortController();
let isReady = false;
process.stdin.on('end', () => abort.abort()).resume();
await runCapture({
  repository: await openRepository(new DirectoryStorage(join(folder, 'repo')), { mode: 'write' }),
  sources: [{ address: parseAddress(url) }],
  spoolFolder: join(folder, 'spool'),
  stateFolder: join(folder, 'state'),
  from: 'master',
  ack: 'durable',
  onStatus: ({ phase, full, storedOffset }) => {
    if (storedOffset !== null && storedOffset !== stored.at(-1)?.[1]) {
      stored.push([Date.now(), storedOffset]);
    }
    if (isReady || phase !== 'recording' || full.lastId === null) return;
    isReady = true;
    console.log('ready');
  },
  signal: abort.signal,
});
console.log(JSON.stringify({ syncs, stored } satisfies CaptureTimes));
