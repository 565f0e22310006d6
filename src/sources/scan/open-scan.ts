import { CodedError } from '../../base/index.ts';
import {
  connect,
  type RedisAddress,
  type RedisConnection,
  type ServerIdentity,
} from '../../redis/index.ts';
import { ReplyError } from '../../resp/index.ts';
import { listDatabases, probeFormat, selectDatabase, tryAbilities } from './abilities.ts';
import { DEFAULT_THREADS, MAX_THREADS, type ScanOptions, type ScanStream } from './scan-options.ts';
import { ScanSource } from './scan-source.ts';

const READ_BUFFER_BYTES = 256 << 10;
const DEFAULT_SILENCE_MS = 60_000;

/**
 * Connects to a server that is to be read by SCAN and DUMP and finds out what it lets us use;
 * nothing is read before `start`. Throws what `connect` throws, NOPERM with the ACL line,
 * SOURCE_UNSUPPORTED where SCAN or DUMP is missing, USAGE for a wrong number of threads.
 */
export async function openScan(
  address: RedisAddress,
  identity: ServerIdentity,
  options: ScanOptions = {},
): Promise<ScanStream> {
  const threads = options.threads ?? DEFAULT_THREADS;
  if (!Number.isInteger(threads) || threads < 1 || threads > MAX_THREADS) {
    throw new CodedError('USAGE', `Cannot read over ${threads} connections`, {
      hint: `From 1 to ${MAX_THREADS}`,
    });
  }
  const open = () =>
    connect(address, {
      lostCode: 'SOURCE_LOST',
      readBufferBytes: READ_BUFFER_BYTES,
      commandTimeoutMs: options.silenceMs ?? DEFAULT_SILENCE_MS,
      ...(options.connectMs !== undefined && { connectTimeoutMs: options.connectMs }),
      ...(options.tls && { tls: options.tls }),
      ...(options.signal && { signal: options.signal }),
    });
  // The trial leaves a connection in any state (MULTI may be allowed and EXEC not).
  const trial = await open();
  const abilities = await tryAbilities(trial, identity).finally(() => trial.close());
  const connections: RedisConnection[] = [];
  try {
    for (let i = 0; i < threads; i++) connections.push(await open());
    const isUntouched = await touchNothing(connections);
    if (!isUntouched) noticeTouching(identity, options);
    if (identity.family === 'keydb') {
      options.onNotice?.('Expiries of members (KeyDB EXPIREMEMBER) cannot be read by SCAN');
    }
    const [first] = connections;
    const listed = await listDatabases(first, identity);
    const { databases } = options.selection ?? {};
    const wanted = listed.filter((db) => databases === undefined || databases.includes(db));
    if (wanted.length > 0) await selectDatabase(first, wanted[0]);
    const format = await probeFormat(first, abilities);
    const setup = { address, identity, options, abilities, connections, databases: wanted, format };
    return new ScanSource(setup);
  } catch (error) {
    for (const conn of connections) conn.close();
    throw error;
  }
}

/** From Redis 7.2 on: reading then leaves idle times and frequencies alone. */
async function touchNothing(connections: readonly RedisConnection[]): Promise<boolean> {
  const replies = connections.map((conn) => conn.attempt(['CLIENT', 'NO-TOUCH', 'ON']));
  return (await Promise.all(replies)).every((reply) => !(reply instanceof ReplyError));
}

function noticeTouching(identity: ServerIdentity, options: ScanOptions): void {
  if (!/lru|lfu/.test(identity.maxMemoryPolicy ?? '')) return;
  options.onNotice?.(
    `Reading by SCAN renews idle times and frequencies here, by which ` +
      `${identity.maxMemoryPolicy} evicts (CLIENT NO-TOUCH is missing or forbidden)`,
  );
}
