import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCapture } from '../../src/capture/index.ts';
import { parseAddress } from '../../src/redis/index.ts';
import { openRepository } from '../../src/repository/index.ts';
import type { AckMode, NodePreference } from '../../src/sources/index.ts';
import { DirectoryStorage } from '../../src/storage/index.ts';
import { until } from '../support/sentinel.ts';
import type { Attach } from './scenes.ts';

/** A real capture, ready when it records and has its first full backup; `auto`: of a replica. */
export function captureWith(ack: AckMode, from: NodePreference = 'master'): Attach {
  return async (server) => {
    const folder = mkdtempSync(join(tmpdir(), 'tidemark-no-harm-'));
    const storage = new DirectoryStorage(join(folder, 'repo'));
    const repository = await openRepository(storage, { mode: 'write' });
    const abort = new AbortController();
    let isReady = false;
    const capture = runCapture({
      repository,
      sources: [{ address: parseAddress(server.url) }],
      spoolFolder: join(folder, 'spool'),
      stateFolder: join(folder, 'state'),
      from,
      ack,
      stopMs: 5_000,
      retryMs: 200,
      onStatus: (status) => {
        isReady ||= status.phase === 'recording' && status.full.lastId !== null;
      },
      signal: abort.signal,
    });
    // A failure shows when it is awaited below.
    const ended = capture.catch((error: unknown) => error);
    await until('a recording capture', async () => isReady || undefined);
    return {
      [Symbol.asyncDispose]: async () => {
        abort.abort();
        await ended;
        rmSync(folder, { recursive: true, force: true });
      },
    };
  };
}
