import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { CodedError, isCoded } from '../base/index.ts';
import {
  checkSegmentStart,
  readBlocks,
  readSegmentDirectory,
  type Repository,
  type SegmentRecord,
} from '../repository/index.ts';
import { type Finding, messageOf } from './findings.ts';
import { SegmentTextChecker } from './segment-text-checker.ts';

export type SegmentCheck = {
  readonly repository: Repository;
  readonly source: string;
  readonly report: (finding: Finding) => void;
  readonly signal?: AbortSignal | undefined;
};

/** Reads one segment from its first to its last byte and reports everything that is wrong. */
export async function verifySegment(check: SegmentCheck, segment: SegmentRecord): Promise<void> {
  const { repository, source, report, signal } = check;
  const { name: object, size } = segment;
  try {
    await checkSegmentStart(repository, source, object, size, signal);
    const directory = await readSegmentDirectory(repository, source, object, size, signal);
    const { blocks: _blocks, times: _times, brackets: _brackets, ...record } = directory;
    if (!isDeepStrictEqual(record, segment)) {
      const message = `The index of its day says other things of '${object}' than it does itself`;
      report({ code: 'log-index-corrupt', object, message });
    }
    const checker = new SegmentTextChecker(directory);
    const hash = createHash('sha256');
    const blocks = readBlocks(repository, directory, directory.blocks, signal);
    for await (const { raw, text, block } of blocks) {
      hash.update(raw);
      checker.check(text, raw, block);
    }
    checker.end();
    for (const { code, block, message } of checker.wrong) {
      const text = `'${object}': ${message}`;
      report({ code, object, message: text, ...(block !== undefined && { block }) });
    }
    if (`sha256:${hash.digest('hex')}` !== directory.rawDigest) {
      const message = `The stream in '${object}' has another SHA-256`;
      report({ code: 'segment-corrupt', object, message });
    }
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof CodedError)) throw error;
    const code = isCoded(error, 'STREAM_CORRUPT') ? 'segment-facts' : 'segment-corrupt';
    report({ code, object, message: messageOf(error) });
  }
}
