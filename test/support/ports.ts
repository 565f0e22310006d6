import { createServer } from 'node:net';

/** Below the range from which the system takes ports for outgoing connections. */
const FIRST_PORT = 20_000;
const PORTS = 12_000;

/**
 * A port on which nothing listens on 127.0.0.1 now. Somebody else may take it before its user
 * binds it: callers try again with another one. `port + 10000` is free as well, so that it can be
 * the bus of a cluster node.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = FIRST_PORT + Math.floor(Math.random() * PORTS);
    if ((await canListen(port)) && (await canListen(port + 10_000))) return port;
  }
  throw new Error('Cannot find a free port on 127.0.0.1');
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      server.close(() => resolve(true));
    });
  });
}
