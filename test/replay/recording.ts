import { setTimeout as delay } from 'node:timers/promises';
import type { TestContext } from 'node:test';
import { connect, parseAddress, type RedisConnection } from '../../src/redis/index.ts';
import type { FedPiece, FeedSource } from '../../src/replay/index.ts';
import { replyText } from '../../src/resp/index.ts';
import { openReplication } from '../../src/sources/index.ts';
import {
  type RunningServer,
  type ServerName,
  startServer,
  type StartOptions,
} from '../support/servers.ts';

/** What a server sent to us as its replica: its RDB and the stream after it, as they came. */
export class Recording {
  readonly server: RunningServer;
  readonly connection: RedisConnection;
  readonly rdb: Buffer[] = [];
  readonly pieces: FedPiece[] = [];
  #startOffset = 0;
  #received = 0;
  #stop: () => void = () => {};

  private constructor(server: RunningServer, connection: RedisConnection) {
    this.server = server;
    this.connection = connection;
  }

  /** Starts a server; `prepare` fills what will be in the base. Ended with the test. */
  static async begin(
    t: TestContext,
    name: ServerName,
    prepare: (connection: RedisConnection) => Promise<void>,
    config: StartOptions['config'] = {},
  ): Promise<Recording> {
    const server = await startServer(name, { config });
    t.after(() => server.stop());
    const connection = await connect(parseAddress(server.url));
    t.after(() => connection.close());
    await prepare(connection);
    const recording = new Recording(server, connection);
    await recording.#attach();
    return recording;
  }

  async #attach(): Promise<void> {
    const link = await openReplication(parseAddress(this.server.url), {
      onStream: {
        onBytes: (buffer, start, end) => {
          this.pieces.push({ bytes: Buffer.from(buffer.subarray(start, end)), atMs: Date.now() });
          this.#received += end - start;
        },
        ackOffset: () => this.#startOffset + this.#received,
        onEnd: () => {},
      },
    });
    this.#stop = () => link.close();
    this.#startOffset = link.origin.offset ?? 0;
    await link.start((buffer, start, end) => {
      this.rdb.push(Buffer.from(buffer.subarray(start, end)));
    });
  }

  /** Sends each command; the server's answers count for nothing. */
  async run(...commands: readonly (readonly (string | number | Buffer)[])[]): Promise<void> {
    await this.connection.pipeline(commands);
  }

  /** Waits until all that the server has sent is here, and lets go of it. */
  async end(): Promise<void> {
    const deadline = Date.now() + 20_000;
    for (;;) {
      const info = replyText(await this.connection.command(['INFO', 'replication']));
      const offset = Number(/master_repl_offset:(\d+)/.exec(info)?.[1]);
      if (this.#startOffset + this.#received >= offset) break;
      if (Date.now() > deadline) throw new Error(`received ${this.#received} of ${offset}`);
      await delay(10);
    }
    this.#stop();
  }

  /** For `Feed.listen`; `pieces` instead of the recorded ones. */
  source(pieces: readonly FedPiece[] = this.pieces): FeedSource {
    const { rdb } = this;
    return {
      startDatabase: 0,
      streamBytes: pieces.reduce((sum, { bytes }) => sum + bytes.length, 0),
      writeBase: async (_server, write) => {
        for (const bytes of rdb) await write(bytes);
      },
      readStream: async function* () {
        yield* pieces;
      },
    };
  }
}
