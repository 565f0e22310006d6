import { connect, type Socket } from 'node:net';

/**
 * A raw pipelining connection for tests and benchmarks: commands go into a buffer and out in large
 * writes, replies are only counted, errors among them are kept. `call` sends one command and waits
 * for its reply, after all that was piped before it.
 */
export type Arg = string | number | Uint8Array;
/** Bulk replies are Buffers; errors are `Error`s. */
export type Reply = string | number | Buffer | Error | null | Reply[];

const FLUSH_BYTES = 256 << 10;
const UNANSWERED_LIMIT = 100_000;

export class RespPipe {
  readonly #socket: Socket;
  readonly #errors: string[] = [];
  #out: Buffer = Buffer.allocUnsafe(FLUSH_BYTES * 2);
  #length = 0;
  #input: Buffer = Buffer.alloc(0);
  #sent = 0;
  #answered = 0;
  #failure: Error | undefined;
  #wake: (() => void) | undefined;
  readonly #wanted = new Map<number, (reply: Reply) => void>();

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('drain', () => this.#wake?.());
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('The server closed the connection')));
  }

  /** `redis://[user:password@]host:port[/db]`, or the path of a unix socket. */
  static async open(url: string): Promise<RespPipe> {
    const address = url.startsWith('/') ? undefined : new URL(url);
    const socket =
      address === undefined
        ? connect(url)
        : connect(Number(address.port || 6379), address.hostname);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    const pipe = new RespPipe(socket);
    if (address !== undefined && address.password !== '') {
      const password = decodeURIComponent(address.password);
      const user = decodeURIComponent(address.username);
      await pipe.call('AUTH', ...(user === '' ? [password] : [user, password]));
    }
    const db = address?.pathname.slice(1) ?? '';
    if (db !== '') await pipe.call('SELECT', db);
    return pipe;
  }

  /** Commands answered so far. */
  get answered(): number {
    return this.#answered;
  }

  /** Queues a command. Await `room()` now and then, or memory grows with what the server owes. */
  pipe(...args: Arg[]): void {
    this.#header(0x2a, args.length);
    for (const arg of args) {
      if (typeof arg !== 'object') {
        const text = String(arg);
        const size = Buffer.byteLength(text);
        this.#header(0x24, size);
        this.#reserve(size + 2);
        this.#out.write(text, this.#length, size, 'utf8');
        this.#length += size;
      } else {
        this.#header(0x24, arg.length);
        this.#reserve(arg.length + 2);
        this.#out.set(arg, this.#length);
        this.#length += arg.length;
      }
      this.#out[this.#length++] = 13;
      this.#out[this.#length++] = 10;
    }
    this.#sent++;
    if (this.#length >= FLUSH_BYTES) this.#flush();
  }

  /** Queues bytes that are `commands` whole commands. The caller may reuse the buffer. */
  pipeRaw(bytes: Uint8Array, commands: number): void {
    this.#reserve(bytes.length);
    this.#out.set(bytes, this.#length);
    this.#length += bytes.length;
    this.#sent += commands;
    if (this.#length >= FLUSH_BYTES) this.#flush();
  }

  /** Resolves when more may be piped. */
  async room(): Promise<void> {
    while (this.#socket.writableNeedDrain || this.#sent - this.#answered > UNANSWERED_LIMIT) {
      await this.#progress();
    }
    this.#throwFailure();
  }

  /** Resolves when everything is answered. */
  async flushed(): Promise<void> {
    this.#flush();
    while (this.#answered < this.#sent) await this.#progress();
  }

  /** Resolves when everything is answered. Throws if any reply since the last call was an error. */
  async done(): Promise<void> {
    await this.flushed();
    if (this.#errors.length === 0) return;
    const errors = this.takeErrors();
    throw new Error(`${errors.length} commands failed, first: ${errors[0]}`);
  }

  /** Error replies since the last call of this or `done`, for loads that expect some. */
  takeErrors(): string[] {
    return this.#errors.splice(0);
  }

  /** Sends one command and returns its reply; throws an error reply. */
  async call(...args: Arg[]): Promise<Reply> {
    const index = this.#sent;
    let reply: Reply | undefined;
    this.#wanted.set(index, (value) => {
      reply = value;
    });
    this.pipe(...args);
    this.#flush();
    while (reply === undefined) await this.#progress();
    if (reply instanceof Error) throw reply;
    return reply;
  }

  close(): void {
    this.#socket.removeAllListeners('close');
    this.#socket.destroy();
  }

  async #progress(): Promise<void> {
    this.#flush();
    this.#throwFailure();
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
    this.#throwFailure();
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#wake?.();
  }

  #header(kind: number, value: number): void {
    this.#reserve(24);
    this.#out[this.#length++] = kind;
    if (value < 10) {
      this.#out[this.#length++] = 48 + value;
    } else {
      this.#length += this.#out.write(String(value), this.#length, 'latin1');
    }
    this.#out[this.#length++] = 13;
    this.#out[this.#length++] = 10;
  }

  #reserve(size: number): void {
    if (this.#length + size <= this.#out.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.#out.length * 2, this.#length + size));
    grown.set(this.#out.subarray(0, this.#length));
    this.#out = grown;
  }

  /** The socket keeps the buffer until it is written, so the next commands get another. */
  #flush(): void {
    if (this.#length === 0) return;
    this.#socket.write(this.#out.subarray(0, this.#length));
    this.#out = Buffer.allocUnsafe(FLUSH_BYTES * 2);
    this.#length = 0;
  }

  #receive(chunk: Buffer): void {
    const input = this.#input.length === 0 ? chunk : Buffer.concat([this.#input, chunk]);
    const reader = new ReplyReader(input);
    let at = 0;
    while (at < input.length) {
      const wanted = this.#wanted.get(this.#answered);
      const reply = reader.read(at);
      if (reply === undefined) break;
      at = reader.at;
      if (wanted !== undefined) {
        this.#wanted.delete(this.#answered);
        wanted(reply);
      } else if (reply instanceof Error) {
        this.#errors.push(reply.message);
      }
      this.#answered++;
    }
    this.#input = input.subarray(at);
    this.#wake?.();
  }
}

/** Reads RESP2 replies out of a buffer; `undefined` where one is not complete. */
class ReplyReader {
  readonly #bytes: Buffer;
  at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  read(at: number): Reply | undefined {
    const end = this.#bytes.indexOf(13, at);
    if (end < 0 || end + 2 > this.#bytes.length) return undefined;
    this.at = end + 2;
    const kind = this.#bytes[at];
    // "+OK" and integers are nearly all replies of a load: no text is made of them.
    if (kind === 0x2b && end - at === 3) return 'OK';
    const line = this.#bytes.toString('latin1', at + 1, end);
    if (kind === 0x2b) return line;
    if (kind === 0x2d) return new Error(line);
    if (kind === 0x3a) return Number(line);
    const count = Number(line);
    if (kind === 0x24) return this.#readBulk(count);
    if (kind === 0x2a) return this.#readArray(count);
    throw new Error(`A reply begins with byte ${kind}`);
  }

  #readBulk(size: number): Reply | undefined {
    if (size < 0) return null;
    const start = this.at;
    if (start + size + 2 > this.#bytes.length) return undefined;
    this.at = start + size + 2;
    return Buffer.from(this.#bytes.subarray(start, start + size));
  }

  #readArray(count: number): Reply | undefined {
    if (count < 0) return null;
    const items: Reply[] = [];
    for (let i = 0; i < count; i++) {
      if (this.at >= this.#bytes.length) return undefined;
      const item = this.read(this.at);
      if (item === undefined) return undefined;
      items.push(item);
    }
    return items;
  }
}
