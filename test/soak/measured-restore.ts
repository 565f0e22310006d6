import { parseAddress } from '../../src/redis/index.ts';
import {
  findBackup,
  findSource,
  openRepository,
  readManifest,
} from '../../src/repository/index.ts';
import { restoreBackup } from '../../src/restore/index.ts';
import { DirectoryStorage } from '../../src/storage/index.ts';

/**
 * A process of its own, so that its memory can be measured: restores the latest backup and prints,
 * as JSON, what the most was that it ever held. Arguments: address, folder of the repository.
 */
const [url = '', folder = ''] = process.argv.slice(2);
const repository = await openRepository(new DirectoryStorage(folder), { mode: 'read' });
const source = await findSource(repository);
const { id } = await findBackup(repository, source.id, 'latest');
const manifest = await readManifest(repository, source.id, id);
const report = await restoreBackup({ repository, source, manifest, target: parseAddress(url) });
const peakBytes = process.resourceUsage().maxRSS * 1024;
console.log(JSON.stringify({ peakBytes, durationMs: report.durationMs, ...report.totals }));
