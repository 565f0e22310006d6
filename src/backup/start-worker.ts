import { getCompileCacheDir } from 'node:module';
import { dirname } from 'node:path';
import { Worker } from 'node:worker_threads';

/**
 * Starts a thread on the module `name` beside the caller's `base` (its import.meta.url), which ends
 * in .ts beside its source and in .js in the published package. A thread does not inherit the cache
 * of compiled modules: without it, stripping types would cost it a third of a second.
 */
export function startWorker(name: string, base: string, workerData: unknown): Worker {
  const extension = base.endsWith('.ts') ? '.ts' : '.js';
  const file = new URL(`./${name}${extension}`, base);
  const cache = getCompileCacheDir();
  if (cache === undefined) return new Worker(file, { workerData, stderr: false });
  // The directory's last part is the Node version's, which enabling adds again.
  const options = { workerData, stderr: false, eval: true };
  return new Worker(
    `const cache = require('node:module');
     cache.enableCompileCache(${JSON.stringify(dirname(cache))});
     import(${JSON.stringify(file.href)}).then(() => cache.flushCompileCache());`,
    options,
  );
}
