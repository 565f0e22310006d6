/**
 * Wires to one Redis server: where it is, how to get in, and commands or raw bytes once inside.
 *
 * `parseAddress` reads what people write, `connect` gives an authenticated connection by TCP, TLS
 * or unix socket, `describeServer` asks who answers. Where Sentinels are named, the server is the
 * master that they name. A connection either speaks commands or, after `detach`, is a pipe of bytes
 * with backpressure (replication, restore).
 *
 * No retry, no pool, no cluster here. Every wait has a deadline and names what it waited for. A
 * password lives in a `Secret` and is in no message.
 */
export { type Credentials, displayAddress, parseAddress, type RedisAddress } from './address.ts';
export { connect, resolveAddress } from './connect.ts';
export { describeServer } from './describe-server.ts';
export { infoFlag, infoNumber, parseInfo } from './info-text.ts';
export {
  type CommandOptions,
  type ConnectOptions,
  type RawHandlers,
  type RawLink,
  type RedisConnection,
  type TlsOptions,
} from './redis-connection.ts';
export { errorOfReply } from './reply-errors.ts';
export { Secret } from './secret.ts';
export {
  type ReplicaInfo,
  type ServerFamily,
  type ServerIdentity,
  type ServerModule,
} from './server-identity.ts';
