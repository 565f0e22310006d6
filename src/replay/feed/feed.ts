import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { assert, type Clock, CodedError, isCoded, systemClock } from '../../base/index.ts';
import { Secret } from '../../redis/index.ts';
import { nobodyCame, serveReplica } from './feed-connection.ts';
import {
  DEFAULT_DEADLINES,
  type FedReplica,
  type FeedDeadlines,
  type FeedOptions,
  type FeedProgress,
} from './feed-options.ts';
import { FeedSession, type History } from './feed-session.ts';

type Outcome = FedReplica | { readonly error: unknown };
type Waiter = (outcome: Outcome) => void;

/**
 * Plays the master for any number of replicas: whoever is told `REPLICAOF` this address gets the
 * base as an RDB, then the recorded commands, and PINGs until the feed is closed. A replica that
 * comes back gets everything anew.
 */
export class Feed {
  #password: Secret | undefined;
  readonly #options: FeedOptions;
  readonly #history: History;
  readonly #deadlines: FeedDeadlines;
  readonly #clock: Clock;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #sessions = new Set<FeedSession>();
  readonly #running = new Set<Promise<void>>();
  readonly #outcomes: Outcome[] = [];
  readonly #waiters: Waiter[] = [];
  #isClosed = false;

  private constructor(options: FeedOptions) {
    this.#options = options;
    this.#password = options.password;
    const { replid = randomBytes(20).toString('hex'), offset = 0 } = options;
    assert(/^[0-9a-f]{40}$/.test(replid), 'a replication id is 40 hex digits');
    this.#history = { replid, offset };
    this.#deadlines = { ...DEFAULT_DEADLINES, ...options.deadlines };
    this.#clock = options.clock ?? systemClock;
    this.#server = createServer((socket) => this.#connected(socket));
    // Of a connection that could not be taken (too many files): its replica tries again.
    this.#server.on('error', () => {});
  }

  /** Listens from the time it resolves. Throws FEED_REFUSED when it cannot. */
  static async listen(options: FeedOptions): Promise<Feed> {
    const feed = new Feed(options);
    const { host = '127.0.0.1', port = 0 } = options;
    try {
      feed.#server.listen({ host, port });
      await once(feed.#server, 'listening');
    } catch (cause) {
      const message = `Cannot listen on ${host}:${port}: ${(cause as Error).message}`;
      throw new CodedError('FEED_REFUSED', message, {
        hint: 'Choose another address or port with --listen',
        cause,
      });
    }
    return feed;
  }

  /** Where it listens: what to give to REPLICAOF. */
  get address(): { readonly host: string; readonly port: number } {
    const address = this.#server.address();
    assert(typeof address === 'object' && address !== null, 'a feed that listens');
    return { host: address.address, port: address.port };
  }

  /**
   * The password that replicas must say from now on: the one it was made with, otherwise a random
   * one, so that nobody else on the machine is served.
   */
  protect(): Secret {
    this.#password ??= new Secret(randomBytes(20).toString('hex'));
    return this.#password;
  }

  /** Whether what cannot be replayed exactly is skipped and counted. */
  get allowsInexact(): boolean {
    return this.#options.allowInexact === true;
  }

  /** One for each replica that is attached now. */
  get progress(): FeedProgress[] {
    return [...this.#sessions].map((session) => session.progress);
  }

  /**
   * The next replica that has acknowledged everything; asked again, the one after it. Throws
   * FEED_LOST when one leaves before, FEED_REFUSED when none attaches, REPLAY_INEXACT and
   * STREAM_CORRUPT from the stream, what the source throws, and INTERRUPTED.
   */
  async fed(signal?: AbortSignal): Promise<FedReplica> {
    const outcome = this.#outcomes.shift() ?? (await this.#nextOutcome(signal));
    if ('error' in outcome) throw outcome.error;
    return outcome;
  }

  /** Lets every replica go and frees the port. Idempotent. */
  async close(): Promise<void> {
    const isFirst = !this.#isClosed;
    this.#isClosed = true;
    const closed = new CodedError('INTERRUPTED', 'The feed was closed');
    for (const session of this.#sessions) session.end(closed);
    for (const socket of this.#sockets) socket.destroy();
    if (isFirst && this.#server.listening) {
      this.#server.close();
      await once(this.#server, 'close');
    }
    await Promise.all(this.#running);
    for (const waiter of this.#waiters.splice(0)) waiter({ error: closed });
  }

  async #nextOutcome(signal: AbortSignal | undefined): Promise<Outcome> {
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    const { attachMs } = this.#deadlines;
    const { host, port } = this.address;
    const interrupt = (): void => {
      const { reason: cause } = signal ?? {};
      const error = isCoded(cause)
        ? cause
        : new CodedError('INTERRUPTED', 'Interrupted while feeding a replica', { cause });
      resolve({ error });
    };
    const timer = setTimeout(() => {
      if (this.#sessions.size === 0) resolve({ error: nobodyCame(`${host}:${port}`, attachMs) });
    }, attachMs);
    this.#waiters.push(resolve);
    signal?.addEventListener('abort', interrupt);
    if (signal?.aborted === true) interrupt();
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', interrupt);
      const at = this.#waiters.indexOf(resolve);
      if (at !== -1) this.#waiters.splice(at, 1);
    }
  }

  #connected(socket: Socket): void {
    this.#sockets.add(socket);
    serveReplica(socket, this.#password, this.#deadlines.handshakeMs, {
      createSession: () =>
        new FeedSession(socket, this.#options, this.#history, this.#deadlines, this.#clock),
      onSession: (session, canFrame) => this.#began(session, canFrame),
      onClosed: (session) => {
        this.#sockets.delete(socket);
        if (session === undefined || !this.#sessions.delete(session)) return;
        if (session.progress.phase !== 'fed') return;
        this.#options.onEvent?.({ kind: 'left', peer: session.peer });
      },
    });
  }

  #began(session: FeedSession, canFrame: boolean): void {
    this.#sessions.add(session);
    this.#options.onEvent?.({ kind: 'attached', peer: session.peer });
    const running = this.#run(session, canFrame).finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  async #run(session: FeedSession, canFrame: boolean): Promise<void> {
    const { peer } = session;
    try {
      const replica = await session.run(canFrame);
      this.#options.onEvent?.({ kind: 'fed', peer, replica });
      this.#settle(replica);
    } catch (error) {
      if (this.#isClosed) return;
      this.#options.onEvent?.({ kind: 'lost', peer, error });
      this.#settle({ error });
    }
  }

  #settle(outcome: Outcome): void {
    const waiter = this.#waiters.shift();
    if (waiter === undefined) this.#outcomes.push(outcome);
    else waiter(outcome);
  }
}
