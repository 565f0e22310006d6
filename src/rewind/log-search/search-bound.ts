import { CodedError } from '../../base/index.ts';
import { type Repository, type ShardLog, timeOf } from '../../repository/index.ts';
import { parseInstant } from '../instants/parse-instant.ts';
import { resolveTime, type TimeSetting } from '../instants/resolve-time.ts';

export type SearchBound = {
  /** Unix milliseconds. */
  readonly ms: number;
  /** What has to be said aloud; null: nothing. */
  readonly note: string | null;
};

/**
 * The time that one end of a search means: any instant of the grammar; that of a mark or an offset
 * is its arrival. INSTANT_INVALID, MARK_NOT_FOUND, INSTANT_UNREACHABLE.
 */
export async function resolveBound(
  text: string,
  repository: Repository,
  logs: readonly ShardLog[],
  setting: TimeSetting,
  signal?: AbortSignal,
): Promise<SearchBound> {
  const parsed = parseInstant(text);
  const lineages = logs.flatMap((log) => log.lineages);
  switch (parsed.kind) {
    case 'latest': {
      const ends = lineages.flatMap(({ lastMs }) => (lastMs === null ? [] : [lastMs]));
      return { ms: ends.length === 0 ? setting.nowMs : Math.max(...ends), note: null };
    }
    case 'mark': {
      const mark = lineages.flatMap(({ marks }) => marks).find(({ id }) => id === parsed.id);
      if (mark !== undefined) return { ms: mark.ms, note: null };
      throw new CodedError('MARK_NOT_FOUND', `Cannot find the mark '${parsed.id}' in the log`);
    }
    case 'offset': {
      const named = lineages.filter(({ record }) => record.lineage.startsWith(parsed.lineage));
      const [lineage] = named;
      if (named.length === 1) {
        const ms = await timeOf(repository, lineage, parsed.offset, signal);
        if (ms !== null) return { ms, note: null };
      }
      throw new CodedError('INSTANT_UNREACHABLE', `Cannot find '${text.trim()}' in the log`);
    }
    default: {
      const { ms, note } = resolveTime(parsed, setting);
      return { ms, note };
    }
  }
}
