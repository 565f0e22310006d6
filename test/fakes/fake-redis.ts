import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { parseAddress, type RedisAddress } from '../../src/redis/index.ts';
import { ReplyDecoder, replyText } from '../../src/resp/index.ts';

/** How the fake behaves; every fault is off by default. */
export type FakePlan = {
  readonly rdb?: Buffer;
  readonly offset?: number;
  readonly framing?: 'length' | 'mark';
  /** Whether `REPLCONF rdb-only` is known. Default true. */
  readonly knowsRdbOnly?: boolean;
  /**
   * Answers by command name in upper case ("REPLCONF VERSION" before "REPLCONF"): bytes, `SILENCE`,
   * or `CLOSE` for the end of the connection.
   */
  readonly answers?: Readonly<Record<string, string>>;
  /** Refusals of PSYNC, one per connection, before it is granted. */
  readonly refusals?: readonly string[];
  /** Bare line feeds before each line after PSYNC. */
  readonly keepalives?: number;
  /** Instead of the line that begins the transfer. */
  readonly header?: string;
  /** Announced length minus true length. */
  readonly lengthLie?: number;
  /** Positions, counted from the first byte after PSYNC, where a packet ends. */
  readonly cuts?: readonly number[];
  /** Close, or send nothing more, once so many bytes after PSYNC are out. */
  readonly closeAt?: number;
  readonly stallAt?: number;
  /** The stream, sent after the first acknowledgement that comes after the RDB. */
  readonly stream?: Buffer;
  readonly info?: () => string;
  /** Keep the link open after the RDB although rdb-only was asked for, as 6.2 does. */
  readonly staysOpen?: boolean;
};

export const FAKE_REPLID = 'b4c269a4254990a6b2f3d7850b7b34439fab1167';
export const FAKE_MARK = 'mark56789012345678901234567890123456mark';

/** A master for one test: speaks the server's half of PSYNC, with faults. */
export class FakeRedis {
  /** All commands in the order of their arrival, as text. */
  readonly commands: string[] = [];
  /** Offsets acknowledged. */
  readonly acknowledged: number[] = [];
  connections = 0;
  plan: FakePlan;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #refused = 0;

  private constructor(plan: FakePlan) {
    this.plan = plan;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  static async start(plan: FakePlan = {}): Promise<FakeRedis> {
    const fake = new FakeRedis(plan);
    fake.#server.listen(0, '127.0.0.1');
    await once(fake.#server, 'listening');
    return fake;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  get address(): RedisAddress {
    return parseAddress(`redis://127.0.0.1:${this.port}`);
  }

  get openConnections(): number {
    return this.#sockets.size;
  }

  /** Breaks a connection by its age: 0 is the oldest still open. */
  drop(age: number): void {
    [...this.#sockets][age]?.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #accept(socket: Socket): void {
    this.connections++;
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('close', () => this.#sockets.delete(socket));
    const link = { rdbOnly: false, isReplica: false, streamed: false };
    const decoder = new ReplyDecoder((reply) => {
      if (!Array.isArray(reply)) throw new Error('The fake takes commands only');
      this.#onCommand(socket, link, reply.map(replyText));
    });
    socket.on('data', (bytes) => decoder.push(bytes));
  }

  #onCommand(socket: Socket, link: Link, words: string[]): void {
    const [name = '', sub = ''] = words.map((word) => word.toUpperCase());
    if (name === 'REPLCONF' && sub === 'ACK') return this.#onAck(socket, link, words);
    this.commands.push(words.join(' '));
    const answer = this.plan.answers?.[`${name} ${sub}`] ?? this.plan.answers?.[name];
    if (answer === 'SILENCE') return;
    if (answer === 'CLOSE') return void socket.destroy();
    if (answer !== undefined) return void socket.write(answer);
    if (name === 'PSYNC') return void this.#transfer(socket, link);
    socket.write(this.#ordinary(name, sub, link));
  }

  #ordinary(name: string, sub: string, link: Link): string {
    if (name === 'PING') return '+PONG\r\n';
    if (name === 'HELLO') return '*2\r\n$6\r\nserver\r\n$5\r\nredis\r\n';
    if (name === 'INFO') {
      const text = this.plan.info?.() ?? 'redis_version:7.0.15\r\nrole:master\r\n';
      return `$${Buffer.byteLength(text)}\r\n${text}\r\n`;
    }
    if (name !== 'REPLCONF') return `-ERR unknown command '${name}'\r\n`;
    if (sub !== 'RDB-ONLY') return '+OK\r\n';
    if (this.plan.knowsRdbOnly === false) return '-ERR Unrecognized REPLCONF option: rdb-only\r\n';
    link.rdbOnly = true;
    return '+OK\r\n';
  }

  #onAck(socket: Socket, link: Link, words: string[]): void {
    this.acknowledged.push(Number(words[2]));
    if (link.streamed || !this.plan.stream) return;
    link.streamed = true;
    socket.write(this.plan.stream);
  }

  async #transfer(socket: Socket, link: Link): Promise<void> {
    const { plan } = this;
    const refusal = plan.refusals?.[this.#refused];
    if (refusal !== undefined) {
      this.#refused++;
      socket.write(`${refusal}\r\n`);
      return;
    }
    link.isReplica = true;
    const wire = this.wire();
    const stopAt = Math.min(plan.closeAt ?? wire.length, plan.stallAt ?? wire.length);
    let from = 0;
    for (const cut of [...(plan.cuts ?? []), stopAt]) {
      if (cut > stopAt || cut <= from) continue;
      socket.write(wire.subarray(from, cut));
      from = cut;
      // Packets stay apart only if the reader gets a turn between them.
      for (let i = 0; i < 3; i++) await turn();
    }
    if (plan.stallAt !== undefined) return;
    if (plan.closeAt !== undefined || (link.rdbOnly && plan.staysOpen !== true)) socket.end();
  }

  /** Everything that the plan sends after PSYNC, up to the end of the RDB. */
  wire(): Buffer {
    const { rdb = Buffer.from('REDIS0011'), framing = 'mark', offset = 0 } = this.plan;
    const idle = '\n'.repeat(this.plan.keepalives ?? 0);
    const length = rdb.length + (this.plan.lengthLie ?? 0);
    const usual = framing === 'mark' ? `$EOF:${FAKE_MARK}` : `$${length}`;
    const header = this.plan.header ?? usual;
    const head = `${idle}+FULLRESYNC ${FAKE_REPLID} ${offset}\r\n${idle}${header}\r\n`;
    const tail = framing === 'mark' ? FAKE_MARK : '';
    return Buffer.concat([Buffer.from(head), rdb, Buffer.from(tail)]);
  }
}

type Link = { rdbOnly: boolean; isReplica: boolean; streamed: boolean };
