import { CodedError } from '../base/index.ts';
import { Secret } from './secret.ts';

/** Where one Redis server is and who we are there. Plain data; the password hides itself. */
export type RedisAddress = {
  /** How it was written; `unix` has `path`, the others `host` and `port`. */
  readonly scheme: Scheme;
  /** Empty for a unix socket; of the first Sentinel where there are some. IPv6 without brackets. */
  readonly host: string;
  /** 0 for a unix socket. */
  readonly port: number;
  readonly path: string | null;
  readonly tls: boolean;
  /** `null`: the default user. */
  readonly user: string | null;
  readonly password: Secret | null;
  /** `null`: none was named, which for a source or target means all of them. */
  readonly database: number | null;
  /** Whom to ask for the server; absent where the server itself is named. */
  readonly sentinel?: SentinelAddress;
};

type TcpScheme = 'redis' | 'rediss' | 'valkey' | 'valkeys';
type SentinelScheme = 'sentinel' | 'sentinel+tls';
type Scheme = TcpScheme | SentinelScheme | 'unix';

export type HostPort = { readonly host: string; readonly port: number };

export type SentinelAddress = {
  /** The name that the Sentinels give the master. */
  readonly master: string;
  /** In the order in which they are asked. At least one. */
  readonly nodes: readonly HostPort[];
};

export type Credentials = {
  readonly user?: string;
  /** From a file or the environment: wins over the address. */
  readonly password?: string;
};

const FORMS =
  'redis://[user[:password]@]host[:port][/db], rediss://, valkey(s)://, unix:///path, ' +
  'sentinel(+tls)://[user[:password]@]host[:port][,host[:port]…]/master[/db]';
const LATER = ['cluster', 'cluster+tls'];
const DEFAULT_PORT = 6379;
const DEFAULT_SENTINEL_PORT = 26379;

/**
 * Reads an address as people write it. Percent escapes are decoded in user, password and path. A
 * password given separately wins; when no user is named anywhere, a separate `user:password` is
 * split at its first colon (`:p:q` is the password `p:q` of the default user). Throws USAGE, or
 * SOURCE_UNSUPPORTED for cluster addresses; no message repeats a password.
 */
export function parseAddress(text: string, given: Credentials = {}): RedisAddress {
  const match = /^([a-z]+(?:\+tls)?):\/\/(.*)$/s.exec(text);
  const scheme = match?.[1] ?? '';
  const rest = match?.[2] ?? '';
  if (LATER.includes(scheme)) {
    throw new CodedError('SOURCE_UNSUPPORTED', `Cannot use a ${scheme}:// address yet`, {
      hint: 'Name one server of it: redis://host:port',
    });
  }
  if (scheme === 'unix') return withCredentials(parseUnix(rest), given);
  if (scheme === 'sentinel' || scheme === 'sentinel+tls') {
    return withCredentials(parseSentinel(scheme, rest), given);
  }
  if (scheme !== 'redis' && scheme !== 'rediss' && scheme !== 'valkey' && scheme !== 'valkeys') {
    throw usage('no known scheme in front');
  }
  return withCredentials(parseTcp(scheme, rest), given);
}

function parseTcp(scheme: TcpScheme, rest: string): RedisAddress {
  const [login, place] = splitLogin(rest);
  const [node, db] = splitOnce(place, '/');
  const where = parseNode(node, DEFAULT_PORT);
  if (where === null || (db !== null && !/^\d*$/.test(db))) {
    throw usage('no host[:port][/db] in it');
  }
  const tls = scheme === 'rediss' || scheme === 'valkeys';
  return { scheme, ...where, path: null, tls, ...login, database: parseDatabase(db ?? undefined) };
}

function parseSentinel(scheme: SentinelScheme, rest: string): RedisAddress {
  const [login, place] = splitLogin(rest);
  const [hosts, name] = splitOnce(place, '/');
  const nodes = hosts.split(',').map((node) => parseNode(node, DEFAULT_SENTINEL_PORT));
  const [first] = nodes;
  if (first === null || first === undefined || !nodes.every((node) => node !== null)) {
    throw usage('no host[:port][,host[:port]…]/master in it');
  }
  const [master, db] = splitOnce(name ?? '', '/');
  if (master === '' || (db !== null && !/^\d*$/.test(db))) {
    throw usage('no name of a master behind the Sentinels');
  }
  const sentinel = { master: decode(master), nodes };
  const database = parseDatabase(db ?? undefined);
  const tls = scheme === 'sentinel+tls';
  return { scheme, ...first, path: null, tls, ...login, database, sentinel };
}

/** `host[:port]`, IPv6 in brackets; `null` when it is something else. */
function parseNode(text: string, defaultPort: number): HostPort | null {
  const place = /^(\[[0-9a-fA-F:.%]+\]|[^:/?#,[\]\s]+)(?::(\d+))?$/.exec(text);
  if (!place) return null;
  const port = place[2] === undefined ? defaultPort : Number(place[2]);
  if (port < 1 || port > 65535) throw usage(`port ${port}`);
  return { host: place[1].replace(/^\[|\]$/g, ''), port };
}

/** Passwords may hold any character, `@` and `/` too: the last `@` ends them. */
function splitLogin(rest: string): [Pick<RedisAddress, 'user' | 'password'>, string] {
  const at = rest.lastIndexOf('@');
  return [parseLogin(at === -1 ? null : rest.slice(0, at)), rest.slice(at + 1)];
}

function parseUnix(rest: string): RedisAddress {
  const [before, query] = splitOnce(rest, '?');
  const slash = before.indexOf('/');
  if (slash === -1) throw usage('no absolute path to a socket');
  const userinfo = before.slice(0, slash);
  if (userinfo !== '' && !userinfo.endsWith('@')) throw usage('a host before the socket path');
  const login = parseLogin(userinfo === '' ? null : userinfo.slice(0, -1));
  const db = query === null ? undefined : /^db=(\d+)$/.exec(query)?.[1];
  if (query !== null && db === undefined) throw usage('something other than ?db=N after the path');
  const path = decode(before.slice(slash));
  if (path.includes('\0') || path.length < 2) throw usage('no absolute path to a socket');
  const database = parseDatabase(db);
  return { scheme: 'unix', host: '', port: 0, path, tls: false, ...login, database };
}

function parseDatabase(text: string | undefined): number | null {
  if (text === undefined || text === '') return null;
  const database = Number(text);
  if (database > 0x7fffffff) throw usage('a database number that no server has');
  return database;
}

function parseLogin(userinfo: string | null): Pick<RedisAddress, 'user' | 'password'> {
  if (userinfo === null) return { user: null, password: null };
  const [user, password] = splitOnce(userinfo, ':');
  return {
    user: user === '' ? null : decode(user),
    password: password === null ? null : new Secret(decode(password)),
  };
}

function withCredentials(address: RedisAddress, given: Credentials): RedisAddress {
  if (given.password === undefined) {
    return given.user === undefined ? address : { ...address, user: given.user };
  }
  const user = given.user ?? address.user;
  if (user !== null) return { ...address, user, password: new Secret(given.password) };
  const [first, second] = splitOnce(given.password, ':');
  if (second === null) return { ...address, password: new Secret(first) };
  return { ...address, user: first === '' ? null : first, password: new Secret(second) };
}

/** The address without secrets, for messages, records and logs. */
export function displayAddress(address: RedisAddress): string {
  const user = address.user === null ? '' : `${encodeURIComponent(address.user)}@`;
  const db = address.database;
  if (address.path !== null) {
    const path = encodeURI(address.path).replace(/[?#]/g, encodeURIComponent);
    return `unix://${user}${path}${db === null ? '' : `?db=${db}`}`;
  }
  const { scheme, sentinel } = address;
  const nodes = (sentinel?.nodes ?? [address]).map(displayNode).join(',');
  const master = sentinel === undefined ? '' : `/${encodeURIComponent(sentinel.master)}`;
  return `${scheme}://${user}${nodes}${master}${db === null ? '' : `/${db}`}`;
}

function displayNode({ host, port }: HostPort): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function splitOnce(text: string, mark: string): [string, string | null] {
  const at = text.indexOf(mark);
  return at === -1 ? [text, null] : [text.slice(0, at), text.slice(at + 1)];
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw usage('a % that begins no percent escape (write % itself as %25)');
  }
}

function usage(found: string): CodedError {
  return new CodedError('USAGE', `Cannot read the Redis address: found ${found}`, {
    hint: `Accepted forms: ${FORMS}`,
  });
}
