import { assert, CodedError } from '../../base/index.ts';
import { type EntrySelection, selectsEverything } from '../../entries/index.ts';
import type { ServerFamily } from '../../redis/index.ts';
import type { FedServer, RecordedServer } from '../../replay/index.ts';
import type { ExportTarget } from '../../restore/index.ts';
import { createFeedSource, type FeedParts } from '../plan-feed-source.ts';
import { type AofFolderReport, type AofFolderRequest, writeAofFolder } from './write-aof-folder.ts';

export type AofExportRequest = Pick<
  AofFolderRequest,
  'folder' | 'force' | 'allowInexact' | 'onProgress' | 'signal'
> & {
  readonly parts: FeedParts;
  /** The server that was recorded. */
  readonly recordedFrom: RecordedServer;
  /** Default: the recorded one, or Redis 7.0 where that is older. */
  readonly target?: ExportTarget;
  /** Only where there is no log. */
  readonly selection?: EntrySelection;
  readonly workers?: number;
  readonly onNotice?: (text: string) => void;
};

export type AofExportReport = AofFolderReport & {
  /** `redis 7.0.15`. */
  readonly target: string;
};

const FAMILIES: readonly string[] = ['redis', 'valkey', 'keydb'] satisfies ServerFamily[];
/** The first that reads folders of several parts. */
const OLDEST_MAJOR = 7;
const NEWEST_PATCH = 99;

/**
 * Writes a backup, or a backup and the log behind it, as an `appendonlydir`. Expiries are as they
 * were recorded, also where they have passed: the server that starts from it removes what is due.
 * Throws USAGE for a server that reads no such folder, and what `writeAofFolder` throws.
 */
export async function exportAof(request: AofExportRequest): Promise<AofExportReport> {
  const { parts, recordedFrom, selection = {}, folder, force, allowInexact, workers } = request;
  const { onNotice, onProgress, signal } = request;
  assert(parts.log === null || selectsEverything(selection), 'a log is exported whole');
  const server = chooseServer(request);
  const report = await writeAofFolder({
    source: createFeedSource(parts, {
      allowInexact: allowInexact ?? false,
      selection,
      ...(workers !== undefined && { workers }),
      ...(onNotice && { onNotice }),
    }),
    recordedFrom: parts.log === null ? null : recordedFrom,
    server,
    folder,
    ...(force !== undefined && { force }),
    ...(allowInexact !== undefined && { allowInexact }),
    ...(onProgress && { onProgress }),
    ...(signal && { signal }),
  });
  return { ...report, target: `${server.family} ${server.version}` };
}

function chooseServer({ target, recordedFrom, onNotice }: AofExportRequest): FedServer {
  if (target !== undefined) {
    const { family, version, number } = target;
    if (Number.parseInt(version) < OLDEST_MAJOR) {
      throw new CodedError('USAGE', `Cannot write an AOF folder for ${family} ${version}`, {
        hint: 'Servers read them from 7.0 on; write an RDB for older ones (--format rdb)',
      });
    }
    const isAnyPatch = number % 100 === NEWEST_PATCH;
    return { family, version: isAnyPatch ? version.split('.').slice(0, 2).join('.') : version };
  }
  const { family, version } = recordedFrom;
  const isKnown = FAMILIES.includes(family) && version !== null;
  if (isKnown && Number.parseInt(version) >= OLDEST_MAJOR) {
    return { family: family as ServerFamily, version };
  }
  onNotice?.('Written for Redis 7.0: older servers read no AOF folders (--for names another)');
  return { family: 'redis', version: '7.0' };
}
