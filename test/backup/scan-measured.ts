import { backUp } from '../../src/backup/index.ts';
import { parseAddress } from '../../src/redis/index.ts';
import { openRepository } from '../../src/repository/index.ts';
import { DirectoryStorage } from '../../src/storage/index.ts';

/**
 * A process of its own, so that its memory can be measured: makes one backup by SCAN and prints, as
 * JSON, what the most was that it ever held. Arguments: address, folder of the repository.
 */
const [url = '', folder = ''] = process.argv.slice(2);
const repository = await openRepository(new DirectoryStorage(folder), { mode: 'write' });
const address = parseAddress(url);
const report = await backUp({ repository, address, sourceName: 'measured', mode: 'scan' });
const peakBytes = process.resourceUsage().maxRSS * 1024;
const { totals, shards } = report.manifest;
const { durationMs, receivedBytes, notices } = report;
const { reading } = shards[0] ?? {};
console.log(JSON.stringify({ peakBytes, durationMs, receivedBytes, notices, reading, ...totals }));
