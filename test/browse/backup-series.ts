import type { TestContext } from 'node:test';
import { backUp, type BackupRequest } from '../../src/backup/index.ts';
import type { DiffSide } from '../../src/browse/index.ts';
import { parseAddress } from '../../src/redis/index.ts';
import { type Manifest, openRepository, type Repository } from '../../src/repository/index.ts';
import { MemoryStorage } from '../fakes/memory-storage.ts';
import { RespPipe } from '../support/resp-pipe.ts';
import { type RunningServer, type ServerName, startServer } from '../support/servers.ts';

export const FAR_MS = 4_102_444_800_000;
export const FARTHER_MS = FAR_MS + 60_000;

/** A server and its backups in one repository, whose ids are minutes apart. */
export class BackupSeries {
  readonly server: RunningServer;
  readonly pipe: RespPipe;
  readonly storage = new MemoryStorage();
  readonly manifests: Manifest[] = [];
  repository!: Repository;
  #now = Date.UTC(2026, 10, 22, 12, 0, 0);

  private constructor(server: RunningServer, pipe: RespPipe) {
    this.server = server;
    this.pipe = pipe;
  }

  static async start(t: TestContext, name: ServerName): Promise<BackupSeries> {
    const server = await startServer(name);
    t.after(() => server.stop());
    const pipe = await RespPipe.open(server.url);
    t.after(() => pipe.close());
    const series = new BackupSeries(server, pipe);
    const clock = { now: () => series.#now, monotonic: () => performance.now() };
    series.repository = await openRepository(series.storage, { mode: 'write', clock });
    return series;
  }

  get source(): string {
    return this.manifests[0].source;
  }

  async backUp(request: Partial<BackupRequest> = {}): Promise<Manifest> {
    this.#now += 60_000;
    const { repository } = this;
    const address = parseAddress(this.server.url);
    const { manifest } = await backUp({ repository, address, sourceName: 'test', ...request });
    this.manifests.push(manifest);
    return manifest;
  }

  side(index: number): DiffSide {
    return { repository: this.repository, manifest: this.manifests[index] };
  }
}
