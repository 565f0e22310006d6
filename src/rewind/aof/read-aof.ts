import { CodedError } from '../../base/index.ts';
import { serverFamily, serverVersion } from '../../backup/index.ts';
import type { RecordedServer } from '../../replay/index.ts';
import { type AofPart, type AofParts, findAofParts } from './aof-parts.ts';
import { type AofScan, type AofScanOptions, scanAofFile } from './aof-scan.ts';

/** An AOF that was looked through from beginning to end: what a server will load of it. */
export type ReadAof = {
  readonly parts: AofParts;
  /** Those to be loaded, in order; an instant that was asked for may leave later ones out. */
  readonly files: readonly ScannedPart[];
  /** The server that wrote it, as far as it tells. */
  readonly server: RecordedServer;
  /** Only servers from 7.0 on read it. */
  readonly needsSeven: boolean;
  readonly commands: number;
  readonly verbatimScripts: number;
  readonly unknownCommands: readonly string[];
  /** Bytes behind the last whole command of the last file; 0: it ends as it should. */
  readonly tornBytes: number;
  readonly torn: AofScan['torn'];
  /** The instant that it shows: its last annotation, or else when it was last written to. */
  readonly atMs: number;
  /** Bytes of memory that its data takes, as far as anybody can tell. */
  readonly expectedBytes: number;
};

export type ScannedPart = { readonly part: AofPart; readonly scan: AofScan };

/**
 * Finds and walks through the AOF at `path`. Throws what `findAofParts` and `scanAofFile` throw,
 * and AOF_CORRUPT for a file that is torn although others follow it.
 */
export async function readAof(path: string, options: AofScanOptions = {}): Promise<ReadAof> {
  const parts = await findAofParts(path);
  const files: ScannedPart[] = [];
  for (const [i, part] of parts.parts.entries()) {
    const scan = await scanAofFile(part.path, options);
    files.push({ part, scan });
    if (scan.isCut) break;
    const isLast = i === parts.parts.length - 1;
    if (scan.torn !== null && !isLast) throw tornWithin({ part, scan });
  }
  if (options.untilSeconds !== undefined) checkAnnotations(path, files);
  return { parts, files, ...factsOf(parts, files) };
}

function factsOf(parts: AofParts, files: readonly ScannedPart[]) {
  const scans = files.map(({ scan }) => scan);
  const last = files.at(-1) as ScannedPart;
  const aux = scans[0].rdb?.aux ?? new Map<string, string>();
  const version = serverVersion(aux);
  const seconds = Math.max(0, ...scans.map(({ timestamps }) => timestamps?.last ?? 0));
  // A copy may say that it was written to earlier than its contents.
  const madeAtMs = Number(aux.get('ctime') ?? 0) * 1000;
  const modifiedAtMs = files.map(({ part }) => part.modifiedAtMs);
  const commands = scans.reduce((sum, scan) => sum + scan.commands, 0);
  const wholeBytes = scans.reduce((sum, scan) => sum + scan.wholeBytes, 0);
  return {
    server: { family: version === null ? 'unknown' : serverFamily(aux), version },
    needsSeven: parts.isFolder || seconds > 0,
    commands,
    verbatimScripts: scans.reduce((sum, scan) => sum + scan.verbatimScripts, 0),
    unknownCommands: [...new Set(scans.flatMap(({ unknownCommands }) => unknownCommands))],
    tornBytes: last.scan.torn === null ? 0 : last.part.sizeBytes - last.scan.wholeBytes,
    torn: last.scan.torn,
    atMs: chooseInstant(seconds * 1000, madeAtMs, commands === 0 ? [] : modifiedAtMs),
    expectedBytes: wholeBytes + Number(aux.get('used-mem') ?? 0),
  };
}

/** The last annotation; or when the last command was written, where there are any. */
function chooseInstant(annotatedMs: number, madeAtMs: number, modifiedAtMs: number[]): number {
  return annotatedMs > 0 ? annotatedMs : Math.max(madeAtMs, ...modifiedAtMs);
}

function tornWithin({ part, scan }: ScannedPart): CodedError {
  const what = scan.torn === 'command' ? 'a command' : 'a transaction';
  return new CodedError(
    'AOF_CORRUPT',
    `Cannot load ${part.path}: it ends within ${what} although another file follows ` +
      `(byte ${scan.wholeBytes})`,
    { offset: scan.wholeBytes },
  );
}

function checkAnnotations(path: string, files: readonly ScannedPart[]): void {
  if (files.some(({ scan }) => scan.isCut || scan.timestamps !== null)) return;
  throw new CodedError('USAGE', `Cannot cut ${path} at an instant: it has no annotations of time`, {
    hint: 'Servers write them with aof-timestamp-enabled yes; import it whole',
  });
}
