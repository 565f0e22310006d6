import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** A TCP proxy on 127.0.0.1 that cuts, refuses and redirects links as a test tells it. */
export class TcpProxy {
  /** Where new links lead. */
  target: number;
  /** New links are closed at once. */
  isRefusing = false;
  /** Bytes from the server after which a replication link is cut; asked at each PSYNC. */
  cutAfter: () => number = () => Number.POSITIVE_INFINITY;
  links = 0;
  cuts = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(target: number) {
    this.target = target;
    this.#server = createServer((client) => this.#accept(client));
  }

  static async start(target: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(target);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Cuts every link there is. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #accept(client: Socket): void {
    if (this.isRefusing) return void client.destroy();
    this.links++;
    let left = Number.POSITIVE_INFINITY;
    const server = connect(this.target, '127.0.0.1');
    const end = (): void => {
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', end);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        end();
      });
    }
    client.on('data', (bytes) => {
      if (left === Number.POSITIVE_INFINITY && bytes.includes('PSYNC')) left = this.cutAfter();
      server.write(bytes);
    });
    server.on('data', (bytes: Buffer) => {
      client.write(bytes.subarray(0, left));
      left -= bytes.length;
      if (left > 0) return;
      this.cuts++;
      // What was written still goes out.
      client.end(() => end());
    });
  }
}
