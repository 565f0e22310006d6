import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { backUp } from '../../src/backup/index.ts';
import { parseAddress } from '../../src/redis/index.ts';
import {
  beginLineage,
  findSource,
  type LineageRecord,
  type Manifest,
  openRepository,
  type Repository,
  type SegmentPiece,
  type Source,
  storeSegment,
} from '../../src/repository/index.ts';
import { DirectoryStorage } from '../../src/storage/index.ts';
import { RawReplica } from '../support/raw-replica.ts';
import { RespPipe } from '../support/resp-pipe.ts';
import { sandboxProgram } from '../support/sandbox-servers.ts';
import { type RunningServer, type ServerName, startServer } from '../support/servers.ts';
import { temporaryFolder } from '../cli/run-tidemark.ts';

const SOURCE = 'shop';

/**
 * A server whose stream a raw replica records, and which a test stores as a log by hand: every
 * place and time in it is known exactly.
 */
export class RecordedSource {
  readonly server: RunningServer;
  readonly pipe: RespPipe;
  readonly replica: RawReplica;
  readonly repository: Repository;
  /** Of the repository. */
  readonly folder: string;
  /** Names the repository. */
  readonly env: Readonly<Record<string, string>>;
  /** The program of the source's version, for `--sandbox-server`. */
  readonly sandbox: string;
  #source: Source | undefined;
  #lineage: LineageRecord | undefined;
  #stored = 0;

  private constructor(
    server: RunningServer,
    pipe: RespPipe,
    replica: RawReplica,
    repository: Repository,
    folder: string,
    sandbox: string,
  ) {
    this.server = server;
    this.pipe = pipe;
    this.replica = replica;
    this.repository = repository;
    this.folder = folder;
    this.env = { TIDEMARK_REPO: folder };
    this.sandbox = sandbox;
  }

  static async start(t: TestContext, name: ServerName = 'redis-7.0'): Promise<RecordedSource> {
    const server = await startServer(name);
    t.after(() => server.stop());
    const pipe = await RespPipe.open(server.url);
    t.after(() => pipe.close());
    const replica = await RawReplica.attach(server.port);
    t.after(() => replica.close());
    const parent = temporaryFolder(t);
    const folder = join(parent, 'repo');
    const repository = await openRepository(new DirectoryStorage(folder), { mode: 'write' });
    const sandbox = sandboxProgram(name, parent);
    return new RecordedSource(server, pipe, replica, repository, folder, sandbox);
  }

  get source(): Source {
    if (this.#source === undefined) throw new Error('back it up first');
    return this.#source;
  }

  get lineage(): LineageRecord {
    if (this.#lineage === undefined) throw new Error('store it first');
    return this.#lineage;
  }

  /** A full backup, by way of the master. */
  async backUp(): Promise<Manifest> {
    const { manifest } = await backUp({
      repository: this.repository,
      address: parseAddress(this.server.url),
      from: 'master',
      sourceName: SOURCE,
      workers: 1,
    });
    this.#source = await findSource(this.repository, SOURCE);
    return manifest;
  }

  /** Resolves to the place that everything sent so far leads to, when all of it is recorded. */
  async settle(): Promise<number> {
    await this.pipe.done();
    const info = String(await this.pipe.call('INFO', 'replication'));
    const offset = Number(/^master_repl_offset:(\d+)/m.exec(info)?.[1]);
    await this.replica.reached(offset);
    return offset;
  }

  /**
   * Stores what was recorded since the last time as one segment. `late` says of a place from when
   * on its bytes are known to be.
   */
  async store(late: (offset: number) => number | undefined = () => undefined): Promise<void> {
    const end = await this.settle();
    const { replid, startOffset } = this.replica;
    const shard = '00000';
    this.#lineage ??= await beginLineage(this.repository, this.source.id, {
      shard,
      startedAt: new Date(this.replica.pieces[0].atMs).toISOString(),
      startOffset,
      replid,
      server: { family: this.server.binary.family, version: this.server.binary.version.join('.') },
      databases: 16,
      gap: null,
    });
    const from = startOffset + this.#stored;
    await storeSegment(this.repository, this.source.id, {
      shard,
      lineage: this.#lineage.lineage,
      startOffset: from,
      database: 0,
      replids: [{ offset: from, replid }],
      predecessor: null,
      pieces: this.#pieces(from, end, late),
    });
    this.#stored = end - startOffset;
  }

  async *#pieces(
    from: number,
    end: number,
    late: (offset: number) => number | undefined,
  ): AsyncGenerator<SegmentPiece> {
    let offset = this.replica.startOffset;
    for (const { bytes, atMs } of this.replica.pieces) {
      const start = Math.max(0, from - offset);
      const length = Math.min(bytes.length, end - offset);
      const sinceMs = late(offset);
      if (length > start) {
        const piece = { bytes: bytes.subarray(start, length), atMs };
        yield sinceMs === undefined ? piece : { ...piece, sinceMs };
      }
      offset += bytes.length;
    }
  }
}

/** Until the clock shows another millisecond, so that what comes now is surely later. */
export async function nextMillisecond(): Promise<number> {
  const now = Date.now();
  while (Date.now() <= now + 1) await new Promise((resolve) => setImmediate(resolve));
  return now;
}
