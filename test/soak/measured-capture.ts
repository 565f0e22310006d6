import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runCapture } from '../../src/capture/index.ts';
import { parseAddress } from '../../src/redis/index.ts';
import { openRepository } from '../../src/repository/index.ts';
import { DirectoryStorage } from '../../src/storage/index.ts';

/**
 * A process of its own, so that its memory can be measured: captures all servers until its standard
 * input ends. Prints "ready" once each is recorded and has its first full backup, then JSON: the
 * most that it ever held, and what it held at the end. Arguments: folder, addresses.
 */
const [folder = '', ...urls] = process.argv.slice(2);
const repository = await openRepository(new DirectoryStorage(join(folder, 'repo')), {
  mode: 'write',
});
const abort = new AbortController();
const ready = new Set<string>();
let gaps = 0;
let commands = 0;
const capture = runCapture({
  repository,
  sources: urls.map((url) => ({ address: parseAddress(url) })),
  spoolFolder: join(folder, 'spool'),
  stateFolder: join(folder, 'state'),
  from: 'master',
  ack: 'durable',
  segmentMs: 5000,
  onStatus: (status) => {
    gaps = Math.max(gaps, status.gaps.length);
    commands = Math.max(commands, status.commands);
    if (status.phase !== 'recording' || status.full.lastId === null) return;
    if (ready.has(status.source.name)) return;
    ready.add(status.source.name);
    if (ready.size === urls.length) console.log('ready');
  },
  signal: abort.signal,
});
process.stdin.on('end', () => abort.abort()).resume();
let residentBytes = 0;
abort.signal.addEventListener('abort', () => {
  residentBytes = process.memoryUsage.rss();
});
await capture;
const peakBytes = process.resourceUsage().maxRSS * 1024;
const swapped = /VmSwap:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'));
const swappedBytes = Number(swapped?.[1] ?? 0) * 1024;
console.log(JSON.stringify({ peakBytes, residentBytes, swappedBytes, gaps, commands }));
