import type { Socket } from 'node:net';
import { assert, CodedError } from '../base/index.ts';
import {
  type CommandArg,
  encodeCommand,
  type Reply,
  ReplyDecoder,
  ReplyError,
} from '../resp/index.ts';
import { displayAddress, type RedisAddress } from './address.ts';
import { codeOf, isTlsCode } from './open-socket.ts';
import type {
  CommandOptions,
  ConnectOptions,
  RawHandlers,
  RawLink,
  RedisConnection,
} from './redis-connection.ts';
import { errorOfReply } from './reply-errors.ts';

type Pending = {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: CodedError) => void;
  readonly timeoutMs: number;
  readonly waitingFor: string;
};

const DEFAULT_COMMAND_TIMEOUT_MS = 10_000;

/** The one implementation of RedisConnection: a socket, a decoder and a queue of who waits. */
export class SocketConnection implements RedisConnection {
  readonly address: RedisAddress;
  readonly peer: string;
  readonly #socket: Socket;
  readonly #lostCode: 'CONNECT_FAILED' | 'SOURCE_LOST' | 'TARGET_LOST';
  readonly #timeoutMs: number;
  readonly #pending: Pending[] = [];
  readonly #decoder = new ReplyDecoder((reply) => this.#onReply(reply));
  readonly #stopListening: () => void;
  #timer: NodeJS.Timeout | null = null;
  #failure: CodedError | null = null;
  #raw: RawHandlers | null = null;
  #answered = false;

  constructor(address: RedisAddress, socket: Socket, options: ConnectOptions) {
    this.address = address;
    this.#socket = socket;
    this.peer = address.path ?? `${socket.remoteAddress}:${socket.remotePort}`;
    this.#lostCode = options.lostCode ?? 'CONNECT_FAILED';
    this.#timeoutMs = options.commandTimeoutMs ?? DEFAULT_COMMAND_TIMEOUT_MS;
    socket.removeAllListeners('error').removeAllListeners('close');
    socket.on('error', (error) => this.#fail(this.#lost(error)));
    socket.on('close', () => this.#fail(this.#lost(null)));
    socket.on('drain', () => this.#raw?.onDrain?.());
    const abort = () => this.#fail(new CodedError('INTERRUPTED', 'Cannot go on: interrupted'));
    options.signal?.addEventListener('abort', abort);
    this.#stopListening = () => options.signal?.removeEventListener('abort', abort);
    // Either may have happened in the turns between connecting and here, unheard.
    if (options.signal?.aborted) abort();
    else if (socket.destroyed) this.#fail(this.#lost(null));
  }

  get isOpen(): boolean {
    return this.#failure === null;
  }

  async command(args: readonly CommandArg[], options: CommandOptions = {}): Promise<Reply> {
    const reply = await this.attempt(args, options);
    if (reply instanceof ReplyError) throw errorOfReply(reply, String(args[0]));
    return reply;
  }

  async attempt(args: readonly CommandArg[], options: CommandOptions = {}): Promise<Reply> {
    const [reply] = await this.pipeline([args], options);
    return reply;
  }

  async pipeline(
    commands: readonly (readonly CommandArg[])[],
    options: CommandOptions = {},
  ): Promise<Reply[]> {
    assert(this.#raw === null, 'a command on a detached connection');
    if (this.#failure) throw this.#failure;
    const replies = commands.map((args) => {
      const { promise, resolve, reject } = Promise.withResolvers<Reply>();
      const timeoutMs = options.timeoutMs ?? this.#timeoutMs;
      const waitingFor = options.waitingFor ?? `the reply to ${String(args[0])}`;
      this.#pending.push({ resolve, reject, timeoutMs, waitingFor });
      return promise;
    });
    const bytes = commands.map((args) => encodeCommand(args));
    this.#socket.write(bytes.length === 1 ? bytes[0] : Buffer.concat(bytes));
    if (this.#timer === null) this.#restartTimer();
    return Promise.all(replies);
  }

  detach(handlers: RawHandlers): RawLink {
    assert(this.#raw === null && this.#pending.length === 0, 'detach while commands are pending');
    assert(this.#decoder.atBoundary, 'detach within a reply');
    if (this.#failure) throw this.#failure;
    this.#raw = handlers;
    const socket = this.#socket;
    return {
      write: (bytes, onFlushed) => socket.write(bytes, onFlushed && (() => onFlushed())),
      get queuedBytes() {
        return socket.writableLength;
      },
      pause: () => void socket.pause(),
      resume: () => void socket.resume(),
      get isPaused() {
        return socket.isPaused();
      },
      close: () => this.close(),
    };
  }

  close(): void {
    this.#raw = null;
    this.#fail(new CodedError(this.#lostCode, `Cannot go on with ${this.peer}: we closed it`));
  }

  /** The socket's bytes, in its reused buffer. */
  onBytes(buffer: Buffer, length: number): void {
    if (this.#failure) return;
    if (this.#raw) return this.#raw.onBytes(buffer, 0, length);
    try {
      this.#decoder.push(buffer, 0, length);
    } catch (error) {
      this.#fail(this.#garbage(error as CodedError, buffer[0]));
    }
  }

  #onReply(reply: Reply): void {
    const waiter = this.#pending.shift();
    this.#answered = true;
    if (waiter === undefined) {
      throw new CodedError('RESP_INVALID', 'Cannot match a reply: nothing was asked');
    }
    this.#restartTimer();
    waiter.resolve(reply);
  }

  #restartTimer(): void {
    if (this.#timer) clearTimeout(this.#timer);
    const next = this.#pending[0];
    this.#timer = next ? setTimeout(() => this.#fail(this.#silence(next)), next.timeoutMs) : null;
  }

  /** Ends the link once, for whoever waits on it; later causes are echoes of the first. */
  #fail(error: CodedError): void {
    if (this.#failure) return;
    this.#failure = error;
    if (this.#timer) clearTimeout(this.#timer);
    this.#stopListening();
    this.#socket.destroy();
    for (const waiter of this.#pending.splice(0)) waiter.reject(error);
    this.#raw?.onEnd(error);
  }

  #silence(waiter: Pending): CodedError {
    const message =
      `Cannot go on with ${displayAddress(this.address)}: ` +
      `waited ${waiter.timeoutMs} ms for ${waiter.waitingFor}`;
    return new CodedError('CONNECT_TIMEOUT', message, {
      hint: 'The server took the connection and does not answer: is it hung, or no Redis?',
    });
  }

  #lost(error: Error | null): CodedError {
    const where = displayAddress(this.address);
    const code = codeOf(error);
    if (isTlsCode(code)) {
      const message = `Cannot go on with ${where}: TLS failed: ${error?.message}`;
      return new CodedError('TLS_FAILED', message, { cause: error });
    }
    if (!this.#answered && this.#raw === null && !this.address.tls && this.address.path === null) {
      const message = `Cannot connect to ${where}: it closed the connection without a word`;
      return new CodedError('CONNECT_FAILED', message, {
        hint: 'Does this port want TLS? Then the address is rediss://',
        cause: error,
      });
    }
    const what = error ? error.message : 'the server closed the connection';
    return new CodedError(this.#lostCode, `Cannot go on with ${where}: ${what}`, { cause: error });
  }

  #garbage(error: CodedError, first: number | undefined): CodedError {
    const where = displayAddress(this.address);
    // A TLS server answers plaintext with a TLS alert record, whose first byte is 21.
    const isTlsAlert = first === 0x15 && !this.#answered;
    const hint = isTlsAlert ? 'This port wants TLS: the address is rediss://' : undefined;
    return new CodedError('RESP_INVALID', `Cannot understand ${where}: ${error.message}`, {
      ...(hint !== undefined && { hint }),
      cause: error,
    });
  }
}
