import { mkdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { checkNode, defaultName, marksOf } from '../backup/index.ts';
import { CodedError, isCoded } from '../base/index.ts';
import { resolveAddress } from '../redis/index.ts';
import { ensureSource, findSource, shardId, type Source } from '../repository/index.ts';
import { TaskLock } from '../restore/index.ts';
import { chooseNode } from '../sources/index.ts';
import type { CapturedSource, CaptureReport, CaptureRequest } from './capture-request.ts';
import { type CaptureStatus, captureStatusFile } from './capture-status.ts';
import { FullGate } from './full-backups.ts';
import { ShardCapture } from './shard-capture.ts';
import { spoolError } from './spool/spool-error.ts';

const DEFAULT_SPOOL_BYTES = 8 * 2 ** 30;

/**
 * Records the replication streams of sources into a repository until `signal` is aborted, and takes
 * full backups to go with them. Resolves when everything received is sealed and, as far as the
 * repository takes it in time, stored. A source that cannot be reached at the start, unknown to the
 * repository, is an error, as are USAGE, SOURCE_IDENTITY, SOURCE_UNSUPPORTED and CAPTURE_HELD
 * (another capture of it runs on this machine); later everything is tried again.
 */
export async function runCapture(request: CaptureRequest): Promise<CaptureReport> {
  const gate = new FullGate(request.fullsAtOnce ?? 1);
  const prepared: { readonly capture: ShardCapture; readonly lock: TaskLock }[] = [];
  // One that fails for good takes the others along, gracefully.
  const failed = new AbortController();
  const signal = AbortSignal.any([request.signal, failed.signal]);
  try {
    for (const captured of request.sources) {
      prepared.push(await prepare({ ...request, signal }, captured, gate));
    }
    const ends = prepared.map(async ({ capture }): Promise<CaptureStatus> => {
      try {
        return await capture.run();
      } catch (error) {
        failed.abort();
        throw error;
      }
    });
    const settled = await Promise.allSettled(ends);
    for (const end of settled) if (end.status === 'rejected') throw end.reason;
    return { shards: settled.flatMap((end) => (end.status === 'fulfilled' ? [end.value] : [])) };
  } finally {
    for (const { lock } of prepared) await lock.release();
  }
}

async function prepare(request: CaptureRequest, captured: CapturedSource, gate: FullGate) {
  const { repository, spoolFolder, stateFolder } = request;
  if (captured.address.database !== null) {
    throw new CodedError('USAGE', 'Cannot record one database: the stream is of the whole server', {
      hint: 'Leave the /db of the address away',
    });
  }
  const source = await chooseSource(request, captured);
  const shard = shardId(0);
  const folder = join(spoolFolder, repository.id, source.id, shard);
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw spoolError(`Cannot make the spool ${folder}`, error);
  }
  const lock = await hold(folder, source);
  const capture = new ShardCapture({
    request,
    captured,
    source,
    shard,
    gate,
    folder,
    spoolLimitBytes: request.spoolLimitBytes ?? (await defaultLimit(folder)),
    stateFile: captureStatusFile(stateFolder, repository.id, source.id, shard),
  });
  return { capture, lock };
}

async function chooseSource(request: CaptureRequest, captured: CapturedSource): Promise<Source> {
  const { repository, signal } = request;
  const name = captured.sourceName ?? defaultName(captured.address);
  const options = { signal, ...(captured.tls && { tls: captured.tls }) };
  try {
    const address = await resolveAddress(captured.address, options);
    const node = await chooseNode(address, request.from ?? 'auto', options);
    checkNode(node);
    const { labels, adopt } = captured;
    return await ensureSource(
      repository,
      {
        name,
        kind: 'standalone',
        marks: marksOf(node, address),
        ...(labels && { labels }),
        ...(adopt !== undefined && { adopt }),
      },
      signal,
    );
  } catch (error) {
    // One that is known is waited for.
    if (!isCoded(error) || !error.retryable || signal.aborted) throw error;
    try {
      return await findSource(repository, name, signal);
    } catch {
      throw error;
    }
  }
}

async function hold(folder: string, source: Source): Promise<TaskLock> {
  try {
    return await TaskLock.acquire(folder, source.name);
  } catch (error) {
    if (!isCoded(error, 'TASK_HELD')) throw error;
    const message = error.message.replace('works on task', 'captures the source');
    throw new CodedError('CAPTURE_HELD', message, { hint: error.hint, cause: error });
  }
}

async function defaultLimit(folder: string): Promise<number> {
  try {
    const { bavail, bsize } = await statfs(folder);
    return Math.min(DEFAULT_SPOOL_BYTES, Math.floor((bavail * bsize) / 2));
  } catch {
    return DEFAULT_SPOOL_BYTES;
  }
}
