import { styleText } from 'node:util';
import { printableBytes } from '../../base/index.ts';
import { formatText } from '../../entries/index.ts';
import type {
  FoundMark,
  LogEvent,
  LoggedArgument,
  LoggedCommand,
  LoggedGap,
} from '../../rewind/index.ts';
import {
  formatAmount,
  formatCount,
  formatDuration,
  formatLocalTime,
  printable,
} from '../output/format.ts';

/** So many arguments of one command are shown to people. */
const SHOWN_ARGUMENTS = 16;
const SHOWN_BYTES = 100;

/** Formats what a search finds, line by line; members of one transaction stand together. */
export class EventLines {
  readonly #hasShards: boolean;
  readonly #color: boolean;
  #transaction: string | null = null;
  #commands = 0;

  constructor(hasShards: boolean, color: boolean) {
    this.#hasShards = hasShards;
    this.#color = color;
  }

  format(event: LogEvent): string {
    if (event.kind === 'gap') {
      this.#transaction = null;
      return this.#alarming(`  ${formatGap(event)}\n`);
    }
    this.#commands++;
    const { transaction, shard, lineage } = event;
    const place = transaction === null ? null : `${shard} ${lineage} ${transaction}`;
    const isFirst = place !== null && place !== this.#transaction && event.name !== 'MULTI';
    this.#transaction = place;
    const begin = isFirst ? `${this.#columns(event, transaction ?? 0)}  MULTI\n` : '';
    const isInside = place !== null && event.name !== 'MULTI' && event.name !== 'EXEC';
    const line = `${isInside ? '  ' : ''}${formatCommand(event)}${notesOf(event)}`;
    const columns = this.#columns(event, event.offset);
    return `${begin}${columns}  ${event.mark === null ? line : this.#alarming(line)}\n`;
  }

  /** The last line. */
  end(isMore: boolean): string {
    const count = formatAmount(this.#commands, 'command');
    return isMore ? `${count}, and more: stopped by --limit\n` : `${count}\n`;
  }

  #columns({ shard, atMs, database }: LoggedCommand, offset: number): string {
    const shown = this.#hasShards ? `${shard}  ` : '';
    return `  ${shown}${formatMoment(atMs)}  ${String(offset).padStart(12)}  db${database}`;
  }

  #alarming(text: string): string {
    return this.#color ? styleText('yellow', text, { validateStream: false }) : text;
  }
}

/** `2026-11-22 14:30:00.123` in the time zone of this machine. */
function formatMoment(ms: number): string {
  return `${formatLocalTime(ms)}.${String(ms % 1000).padStart(3, '0')}`;
}

function formatGap({ fromMs, toMs, why, lineage }: LoggedGap): string {
  const length = formatDuration(toMs - fromMs);
  return (
    `-- gap of ${length}: nothing is recorded from ${formatMoment(fromMs)} to ` +
    `${formatMoment(toMs)}, ${printable(why)}; lineage ${lineage} follows`
  );
}

function formatCommand({ name, argc, args }: LoggedCommand): string {
  const skipped = name.includes(' ') ? 2 : 1;
  const shown = args.slice(skipped, SHOWN_ARGUMENTS).map(formatArgument);
  if (argc > SHOWN_ARGUMENTS) {
    shown.push(`… (${formatCount(argc)} arguments)`);
  }
  return printable([name, ...shown].join(' '));
}

function formatArgument({ bytes, size }: LoggedArgument): string {
  if (size > SHOWN_BYTES) {
    const start = printableBytes(bytes.subarray(0, SHOWN_BYTES));
    return `${start}… (${formatCount(size)} bytes)`;
  }
  const text = bytes.toString('latin1');
  return /^[!#-&(-[\]-~]+$/.test(text) ? text : printableBytes(bytes);
}

function notesOf({ mark, sinceMs, touches, isOrphan }: LoggedCommand): string {
  const notes: string[] = [];
  if (mark !== null) notes.push(`mark:${mark}`);
  if (touches === 'perhaps') notes.push('may touch it');
  if (sinceMs !== null) notes.push(`arrived late, ran after ${formatMoment(sinceMs)}`);
  if (isOrphan) notes.push('orphan: the next master does not know it');
  return notes.length === 0 ? '' : `   (${notes.join('; ')})`;
}

export const MARKS_HEAD = markRow(['MARK', 'LOCAL TIME', 'DB', 'WHAT', 'OFFSET']);

export function formatMark({ mark, isOrphan }: FoundMark): string {
  const { id, ms, kind, database, startOffset } = mark;
  const db = kind === 'FLUSHDB' ? String(database) : '';
  const note = isOrphan ? ['(orphan: the next master does not know it)'] : [];
  return markRow([id, formatMoment(ms), db, kind, String(startOffset), ...note]);
}

/** How to go back before the newest of them that destroyed data. */
export function formatMarkHint(marks: readonly FoundMark[]): string {
  const isLoss = ({ mark }: FoundMark): boolean =>
    mark.kind === 'FLUSHALL' || mark.kind === 'FLUSHDB' || mark.kind === 'SWAPDB';
  const last = marks.findLast(isLoss) ?? marks.at(-1);
  if (last === undefined) return 'no marks\n';
  return (
    `${formatAmount(marks.length, 'mark')}; back to just before ${last.mark.kind}:\n` +
    `  tidemark restore --before mark:${last.mark.id} --to redis://…\n`
  );
}

function markRow([id, time, db, kind, offset, ...rest]: readonly string[]): string {
  const cells = [
    id.padEnd(6),
    time.padEnd(23),
    db.padStart(3),
    kind.padEnd(9),
    offset.padStart(14),
  ];
  return `  ${[...cells, ...rest].join('  ').trimEnd()}\n`;
}

/** One line of `--json`: a command or a gap. */
export function eventDocument(event: LogEvent): object {
  if (event.kind === 'gap') {
    const { kind, shard, lineage, fromMs, toMs, why } = event;
    return { kind, from: isoTime(fromMs), to: isoTime(toMs), shard, lineage, why };
  }
  const { atMs, sinceMs, shard, lineage, offset, endOffset, database, name, argc } = event;
  const { args, transaction, mark, touches, isOrphan } = event;
  return {
    kind: 'command',
    at: isoTime(atMs),
    since: sinceMs === null ? null : isoTime(sinceMs),
    shard,
    lineage,
    offset,
    endOffset,
    db: database,
    command: name,
    argc,
    args: args.map(argumentDocument),
    transaction,
    mark,
    touches,
    orphan: isOrphan,
  };
}

/** The text of the entries' format; of a long one its beginning and size. */
function argumentDocument({ bytes, size }: LoggedArgument): unknown {
  const text = formatText(bytes);
  return bytes.length === size ? text : { start: text, bytes: size };
}

export function markDocument({ mark, shard, lineage, isOrphan }: FoundMark): object {
  const { id, kind, ms, database, startOffset, endOffset } = mark;
  return {
    kind: 'mark',
    id,
    what: kind,
    at: isoTime(ms),
    shard,
    lineage,
    offset: startOffset,
    endOffset,
    db: database,
    orphan: isOrphan,
  };
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
