import { CodedError } from '../base/index.ts';

/**
 * What may be in a stream at all. The limits are those of the servers or beyond them: they are to
 * tell commands from garbage, not to police a master.
 */

const MAX_ARGUMENTS = 2 ** 31 - 1;
/** Servers accept 512 MiB unless proto-max-bulk-len says otherwise. */
const MAX_ARGUMENT_BYTES = 4 * 2 ** 30;
/** Of a command's name, and of its subcommand's. */
export const MAX_NAME_BYTES = 256;
/** Of the number of a database. */
export const MAX_DATABASE_BYTES = 16;

/** The error for a byte that cannot stand there. */
export function corruptStream(offset: number, wanted: string, found: number): CodedError {
  return reject(offset, `${wanted} expected, byte 0x${found.toString(16).padStart(2, '0')} found`);
}

export function checkArguments(count: number, offset: number): void {
  if (count === 0) throw reject(offset, 'a command without arguments');
  if (count > MAX_ARGUMENTS) throw reject(offset, `a command of ${count} arguments`);
}

export function checkArgumentSize(size: number, offset: number): void {
  if (size > MAX_ARGUMENT_BYTES) throw reject(offset, `an argument of ${size} bytes`);
}

export function checkNameSize(size: number, offset: number): void {
  if (size === 0 || size > MAX_NAME_BYTES) throw reject(offset, `a name of ${size} bytes`);
}

export function checkDatabaseSize(size: number, offset: number): void {
  if (size === 0 || size > MAX_DATABASE_BYTES) {
    throw reject(offset, `the number of a database of ${size} bytes`);
  }
}

/** The number of a SELECT, the first `length` of `bytes`: decimal digits, below 2^31. */
export function readDatabase(bytes: Uint8Array, length: number, offset: number): number {
  let database = 0;
  for (let i = 0; i < length; i++) {
    const digit = bytes[i] - 48;
    if (digit < 0 || digit > 9) throw reject(offset, 'a database that is no number');
    database = database * 10 + digit;
  }
  if (database >= 2 ** 31) throw reject(offset, `database ${database}`);
  return database;
}

function reject(offset: number, found: string): CodedError {
  const message = `Cannot read the replication stream at offset ${offset}: ${found}`;
  return new CodedError('STREAM_CORRUPT', message, { offset });
}
