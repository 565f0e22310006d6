import { timingSafeEqual } from 'node:crypto';
import type { Socket } from 'node:net';
import { CodedError, isCoded } from '../../base/index.ts';
import type { Secret } from '../../redis/index.ts';
import { FeedSession, lost } from './feed-session.ts';
import { RequestReader } from './request-reader.ts';

export type ConnectionEvents = {
  /** The replica asked for everything; `session` is not running yet. */
  readonly createSession: (socket: Socket) => FeedSession;
  readonly onSession: (session: FeedSession, canFrame: boolean) => void;
  /** The replica, or whoever it was, is gone: `session` is what it had. */
  readonly onClosed: (session: FeedSession | undefined) => void;
};

/**
 * The master's side of one connection: answers the handshake of any replica, and hands over to a
 * session at its PSYNC. No capability is taken up but `eof`; whatever history the replica names, it
 * gets everything anew.
 */
class FeedConnection {
  readonly #socket: Socket;
  readonly #password: Secret | undefined;
  readonly #events: ConnectionEvents;
  readonly #handshake: NodeJS.Timeout;
  #isAuthenticated: boolean;
  #canFrame = false;
  #session: FeedSession | undefined;

  constructor(
    socket: Socket,
    password: Secret | undefined,
    handshakeMs: number,
    events: ConnectionEvents,
  ) {
    this.#socket = socket;
    this.#password = password;
    this.#isAuthenticated = password === undefined;
    this.#events = events;
    const reader = new RequestReader((words) => this.#answer(words));
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 60_000);
    socket.on('data', (bytes: Buffer) => this.#read(reader, bytes));
    socket.on('error', (error) => this.#closed(error.message));
    socket.on('close', () => this.#closed('it closed the connection'));
    this.#handshake = setTimeout(() => socket.destroy(), handshakeMs);
  }

  #read(reader: RequestReader, bytes: Buffer): void {
    this.#session?.sign();
    try {
      reader.push(bytes);
    } catch (error) {
      if (!isCoded(error)) throw error;
      this.#session?.end(error);
      this.#socket.destroy();
    }
  }

  #closed(why: string): void {
    clearTimeout(this.#handshake);
    this.#session?.end(lost(this.#session.peer, why));
    this.#events.onClosed(this.#session);
  }

  #answer(words: readonly string[]): void {
    const [name = '', ...args] = words;
    switch (name.toUpperCase()) {
      case 'PING':
      case 'REPLPING':
        this.#say(this.#isAuthenticated ? '+PONG' : '-NOAUTH Authentication required.');
        break;
      case 'AUTH':
        this.#say(this.#authenticate(args.at(-1) ?? ''));
        break;
      case 'REPLCONF':
        this.#configure(args);
        break;
      case 'PSYNC':
      case 'SYNC':
        this.#begin(name.toUpperCase() === 'PSYNC');
        break;
      default:
        this.#say('-ERR unknown command: this is a feed, which serves replicas only');
    }
  }

  #authenticate(given: string): string {
    const wanted = this.#password;
    if (wanted === undefined) return '+OK';
    const [a, b] = [Buffer.from(given, 'latin1'), Buffer.from(wanted.reveal())];
    this.#isAuthenticated = a.length === b.length && timingSafeEqual(a, b);
    return this.#isAuthenticated ? '+OK' : '-WRONGPASS invalid password';
  }

  #configure(args: readonly string[]): void {
    const option = args[0]?.toLowerCase();
    if (option === 'ack') {
      const offset = Number(args[1]);
      if (Number.isSafeInteger(offset)) this.#session?.acknowledge(offset);
      return;
    }
    for (let i = 0; i + 1 < args.length; i += 2) {
      if (args[i]?.toLowerCase() === 'capa' && args[i + 1] === 'eof') this.#canFrame = true;
    }
    // KeyDB takes an OK to its id for another active replica's.
    this.#say(option === 'uuid' ? '-ERR unknown option' : '+OK');
  }

  #begin(isPsync: boolean): void {
    if (!this.#isAuthenticated) return this.#say('-NOAUTH Authentication required.');
    if (this.#session !== undefined) return this.#say('-ERR already a replica');
    if (!isPsync) return this.#say('-ERR a feed needs PSYNC, of Redis 2.8 or newer');
    clearTimeout(this.#handshake);
    this.#session = this.#events.createSession(this.#socket);
    this.#events.onSession(this.#session, this.#canFrame);
  }

  #say(line: string): void {
    if (this.#socket.writable) this.#socket.write(`${line}\r\n`);
  }
}

/** Answers `socket` from now on, until either side closes it. */
export function serveReplica(
  socket: Socket,
  password: Secret | undefined,
  handshakeMs: number,
  events: ConnectionEvents,
): FeedConnection {
  return new FeedConnection(socket, password, handshakeMs, events);
}

/** Nobody attached within the deadline. */
export function nobodyCame(where: string, attachMs: number): CodedError {
  const message = `Cannot feed anybody: no replica attached to ${where} within ${attachMs} ms`;
  return new CodedError('FEED_REFUSED', message);
}
