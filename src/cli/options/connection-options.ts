import type { Command } from 'commander';
import { readFile } from 'node:fs/promises';
import { CodedError } from '../../base/index.ts';
import { parseAddress, type RedisAddress, type TlsOptions } from '../../redis/index.ts';
import type { Terminal } from '../terminal.ts';
import { defined } from './defined.ts';

/** As commander hands them over. */
export type ConnectionOptions = {
  readonly passwordFile?: string;
  readonly tlsCa?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsServername?: string;
  readonly tlsInsecure?: boolean;
};

/** Which variable of the environment holds the password. */
export type PasswordVariable = 'TIDEMARK_PASSWORD' | 'TIDEMARK_TARGET_PASSWORD';

export type Connection = { readonly address: RedisAddress; readonly tls?: TlsOptions };

const MAX_PASSWORD_BYTES = 64 << 10;

export function addConnectionOptions(
  command: Command,
  variable: PasswordVariable | 'either',
): Command {
  const named = variable === 'either' ? 'TIDEMARK_PASSWORD, TIDEMARK_TARGET_PASSWORD' : variable;
  return command
    .optionsGroup('Connection:')
    .option('--password-file <path>', `file with the password (otherwise ${named})`)
    .option('--tls-ca <path>', 'certificates to trust, instead of those of the system')
    .option('--tls-cert <path>', 'our certificate, for servers that ask for one')
    .option('--tls-key <path>', 'its key')
    .option('--tls-servername <name>', "name expected in the server's certificate")
    .option('--tls-insecure', 'accept any certificate')
    .optionsGroup('Options:');
}

/**
 * Reads an address and everything that goes with it. A password file wins over the environment, the
 * environment over the address. Throws USAGE, SOURCE_UNSUPPORTED.
 */
export async function readConnection(
  terminal: Terminal,
  address: string,
  options: ConnectionOptions,
  variable: PasswordVariable,
): Promise<Connection> {
  const fromFile = options.passwordFile;
  const password =
    fromFile === undefined ? terminal.env[variable] || undefined : await readPassword(fromFile);
  const parsed = parseAddress(address, defined({ password }));
  const tls: TlsOptions = defined({
    caFile: options.tlsCa,
    certFile: options.tlsCert,
    keyFile: options.tlsKey,
    servername: options.tlsServername,
    insecure: options.tlsInsecure,
  });
  if (Object.keys(tls).length === 0) return { address: parsed };
  if (!parsed.tls) {
    throw new CodedError('USAGE', 'Cannot use --tls-… options: the address is not one for TLS', {
      hint: 'Write rediss:// instead of redis://',
    });
  }
  return { address: parsed, tls };
}

/** The file's content without its last line end. */
async function readPassword(path: string): Promise<string> {
  let content: Buffer;
  try {
    content = await readFile(path);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    throw new CodedError('USAGE', `Cannot read the password file ${path}: ${code}`, {
      hint: 'Check the path and its permissions',
      cause,
    });
  }
  const password = content.toString('utf8').replace(/\r?\n$/, '');
  if (password !== '' && content.length <= MAX_PASSWORD_BYTES && !/[\r\n]/.test(password)) {
    return password;
  }
  throw new CodedError(
    'USAGE',
    `Cannot use the password file ${path}: it is not one line of text`,
    {
      hint: 'The password alone, on one line',
    },
  );
}
