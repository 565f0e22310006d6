import { connect, type Socket } from 'node:net';

/**
 * A replica for tests that keeps everything it receives: the RDB of a full resynchronisation, then
 * every byte of the stream with its arrival. It shares no code with the product, so that what a
 * capture recorded can be held against it.
 */
export type RecordedPiece = {
  readonly bytes: Buffer;
  /** Unix milliseconds. */
  readonly atMs: number;
};

const ACK_MS = 50;
const MARK_BYTES = 40;

export class RawReplica {
  readonly #socket: Socket;
  readonly #pieces: RecordedPiece[] = [];
  readonly #acks: NodeJS.Timeout;
  #input: Buffer = Buffer.alloc(0);
  #state: 'handshake' | 'reply' | 'header' | 'rdb' | 'stream' = 'handshake';
  #replies = 0;
  #length = 0;
  #mark: Buffer | null = null;
  #rdb: Buffer = Buffer.alloc(0);
  #replid = '';
  #startOffset = 0;
  #offset = 0;
  #failure: Error | undefined;
  #wake: () => void = () => undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('The master closed the link')));
    this.#acks = setInterval(() => this.#acknowledge(), ACK_MS);
  }

  /** Attaches to a master; resolves when the RDB is there. */
  static async attach(port: number, version = '9.1.2'): Promise<RawReplica> {
    const replica = new RawReplica(connect(port, '127.0.0.1'));
    replica.#send('REPLCONF', 'listening-port', '0');
    replica.#send('REPLCONF', 'capa', 'eof', 'capa', 'psync2');
    replica.#send('REPLCONF', 'version', version);
    await replica.#until(() => replica.#state === 'stream');
    return replica;
  }

  get rdb(): Buffer {
    return this.#rdb;
  }

  get replid(): string {
    return this.#replid;
  }

  /** The offset that the RDB stands at. */
  get startOffset(): number {
    return this.#startOffset;
  }

  /** Bytes of the history received. */
  get offset(): number {
    return this.#offset;
  }

  /** What arrived after the RDB. */
  get pieces(): readonly RecordedPiece[] {
    return this.#pieces;
  }

  /** Resolves when the stream has been received up to this offset. */
  async reached(offset: number): Promise<void> {
    await this.#until(() => this.#offset >= offset);
  }

  close(): void {
    clearInterval(this.#acks);
    this.#socket.removeAllListeners('close');
    this.#socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  #send(...words: string[]): void {
    const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
    this.#socket.write(`*${words.length}\r\n${parts.join('')}`);
  }

  #acknowledge(): void {
    if (this.#state === 'stream') this.#send('REPLCONF', 'ACK', String(this.#offset));
  }

  async #until(isThere: () => boolean): Promise<void> {
    const late = setTimeout(
      () => this.#fail(new Error('The master sent nothing for 20 s')),
      20_000,
    );
    try {
      while (!isThere()) {
        if (this.#failure !== undefined) throw this.#failure;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    } finally {
      clearTimeout(late);
    }
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#wake();
  }

  #receive(chunk: Buffer): void {
    if (this.#state === 'stream') this.#keep(chunk);
    else this.#begin(Buffer.concat([this.#input, chunk]));
    this.#wake();
  }

  #keep(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#pieces.push({ bytes: Buffer.from(bytes), atMs: Date.now() });
    this.#offset += bytes.length;
  }

  /** Everything before the stream. */
  #begin(input: Buffer): void {
    let rest = input;
    while (this.#state === 'handshake' || this.#state === 'reply' || this.#state === 'header') {
      const end = rest.indexOf('\n');
      if (end < 0) break;
      const line = rest.toString('latin1', 0, end).trim();
      rest = rest.subarray(end + 1);
      if (line !== '') this.#readLine(line);
    }
    if (this.#state === 'rdb') rest = this.#takeRdb(rest);
    this.#input = rest;
  }

  #readLine(line: string): void {
    if (this.#state === 'handshake') {
      if (++this.#replies < 3) return;
      // Only now: PSYNC is refused while replies are on their way.
      this.#state = 'reply';
      this.#send('PSYNC', '?', '-1');
      return;
    }
    if (this.#state === 'reply') {
      const [, replid, offset] = /^\+FULLRESYNC (\w+) (\d+)$/.exec(line) ?? [];
      if (replid === undefined) return this.#fail(new Error(`The master answered "${line}"`));
      this.#replid = replid;
      this.#startOffset = this.#offset = Number(offset);
      this.#state = 'header';
      return;
    }
    if (line.startsWith('$EOF:')) this.#mark = Buffer.from(line.slice(5), 'latin1');
    else this.#length = Number(line.slice(1));
    this.#state = 'rdb';
  }

  /** What comes behind the RDB, once it is whole; before that, everything. */
  #takeRdb(input: Buffer): Buffer {
    const end = this.#mark === null ? this.#length : input.indexOf(this.#mark);
    if (end < 0 || input.length < end) return input;
    this.#rdb = Buffer.from(input.subarray(0, end));
    this.#state = 'stream';
    this.#keep(input.subarray(end + (this.#mark === null ? 0 : MARK_BYTES)));
    return Buffer.alloc(0);
  }
}
