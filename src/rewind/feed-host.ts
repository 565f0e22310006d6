import { createSocket } from 'node:dgram';
import { isIP } from 'node:net';
import { CodedError } from '../base/index.ts';

/**
 * The address of this machine that packets to `peer` leave from, which a server there can most
 * likely reach too. Nothing is sent. `peer` is an IP address; FEED_REFUSED where there is no way.
 */
export async function localAddressToward(peer: string): Promise<string> {
  const family = isIP(peer);
  if (family === 0) return '127.0.0.1';
  const socket = createSocket(family === 6 ? 'udp6' : 'udp4');
  try {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    socket.once('error', reject);
    // The port does not matter: a datagram socket that connects only looks up its route.
    socket.connect(9, peer, () => resolve());
    await promise;
    return socket.address().address;
  } catch (cause) {
    const message = `Cannot find an address of this machine that ${peer} can reach`;
    throw new CodedError('FEED_REFUSED', message, {
      hint: 'Name one with --feed-host',
      cause,
    });
  } finally {
    socket.close();
  }
}

/** Of a connection's `peer` (`10.0.0.2:6379`, `[::1]:6379`, a socket's path), the IP address. */
export function peerAddress(peer: string): string {
  const match = /^\[?([0-9a-f:.]+?)\]?:\d+$/i.exec(peer);
  return match?.[1] ?? '';
}
