import { backUp } from '../../src/backup/index.ts';
import { parseAddress } from '../../src/redis/index.ts';
import { openRepository } from '../../src/repository/index.ts';
import { DirectoryStorage } from '../../src/storage/index.ts';

/**
 * A process of its own, so that its memory can be measured: makes one backup and prints, as JSON,
 * what the most was that it ever held. Arguments: address, folder of the repository.
 */
const [url = '', folder = ''] = process.argv.slice(2);
const repository = await openRepository(new DirectoryStorage(folder), { mode: 'write' });
const report = await backUp({ repository, address: parseAddress(url), sourceName: 'soak' });
const peakBytes = process.resourceUsage().maxRSS * 1024;
const { totals } = report.manifest;
const { durationMs, receivedBytes } = report;
console.log(JSON.stringify({ peakBytes, durationMs, receivedBytes, ...totals }));
