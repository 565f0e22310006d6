import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { CodedError } from '../base/index.ts';
import type { RedisAddress } from './address.ts';
import type { TlsOptions } from './redis-connection.ts';

/** The options of node:tls for this address: certificates are verified unless `insecure`. */
export async function readTlsOptions(
  address: RedisAddress,
  options: TlsOptions,
): Promise<ConnectionOptions> {
  if ((options.certFile === undefined) !== (options.keyFile === undefined)) {
    throw new CodedError(
      'USAGE',
      'Cannot use a client certificate without its key, or the reverse',
    );
  }
  const [ca, cert, key] = await Promise.all([
    readPem('CA certificate', options.caFile),
    readPem('client certificate', options.certFile),
    readPem('client key', options.keyFile),
  ]);
  const name = options.servername ?? address.host;
  return {
    rejectUnauthorized: options.insecure !== true,
    // TLS knows server names only, no addresses: those are compared with the certificate alone.
    ...(isIP(name) === 0 ? { servername: name } : {}),
    ...(ca && { ca }),
    ...(cert && { cert }),
    ...(key && { key }),
  };
}

async function readPem(what: string, path: string | undefined): Promise<Buffer | undefined> {
  if (path === undefined) return undefined;
  try {
    return await readFile(path);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    throw new CodedError('USAGE', `Cannot read the ${what} ${path}: ${code}`, {
      hint: 'Check the path and its permissions',
      cause,
    });
  }
}
