import { ByteBuilder, CodedError } from '../../base/index.ts';
import { CommandReader, readRelayed, type StreamCommand } from '../../commands/index.ts';
import { targetFormat, versionNumber } from '../../rdb/index.ts';
import { CommandWriter } from '../../resp/index.ts';
import type { FedServer } from '../feed-source.ts';
import { databaseRules } from './database-rules.ts';
import { EXPIRY_RULES } from './expiry-rules.ts';
import { isKnownCommand } from './known-command.ts';
import { OTHER_RULES } from './other-rules.ts';
import { restoreRules } from './restore-rules.ts';
import type { Abilities, Rule, RuleContext } from './rule.ts';
import { slotRules } from './slot-rules.ts';
import { scriptRules } from './script-rules.ts';
import type { TranslateOptions } from './translate-options.ts';
import type { InexactCommands, TranslationReport } from './translation-report.ts';

/** Runs of untouched commands from this size on are handed on where they lie. */
const LONG_RUN_BYTES = 2 << 10;
const OUTPUT_BYTES = 64 << 10;

/** How commands of one name go: as they are, by a rule, or not at all. */
type Way = Rule | 'pass' | { readonly unknown: true };

const UNKNOWN: Way = { unknown: true };
/** What keeps a stream together is never left out. */
const STRUCTURE = new Set(['SELECT', 'MULTI', 'EXEC', 'PING', 'REPLCONF']);

/**
 * Writes a recorded stream as the fed server needs it: relative expiries as absolute ones counted
 * from the arrival, all of them shifted or dropped where that is wanted, commands that only another
 * family or version knows in words that this one knows. Everything else goes as the very bytes that
 * came. What cannot be said exactly ends in REPLAY_INEXACT, or is counted where that is allowed.
 *
 * Pure: no clock, no I/O. Output is whole commands only; a command cut by pieces waits for its end.
 */
export class StreamTranslator {
  readonly #options: TranslateOptions;
  readonly #reader: CommandReader;
  readonly #ways = new Map<string, Way>();
  readonly #output = new ByteBuilder(OUTPUT_BYTES);
  readonly #writer = new CommandWriter(this.#output);
  readonly #context: { atMs: number } & Omit<RuleContext, 'atMs'>;
  readonly #databases: number;
  /** Slots that were being imported where the stream stands: their jobs. */
  readonly #imports = new Set<string>();
  /** Of the run of untouched commands in the present piece. */
  #runStart = 0;
  #runEnd = 0;
  #piece: Buffer = Buffer.alloc(0);
  #ready: Buffer[] = [];
  #commands = 0;
  #rewritten = 0;
  readonly #dropped: Record<string, number> = Object.create(null);
  readonly #inexact: Record<string, { count: number; why: string }> = Object.create(null);

  /** `database`: in force before the first command. */
  constructor(options: TranslateOptions, database: number) {
    this.#options = options;
    this.#reader = new CommandReader({ offset: 0, database });
    const { server, recordedFrom, expiry } = options;
    this.#databases = server.databases ?? Number.POSITIVE_INFINITY;
    this.#context = { atMs: 0, expiry, can: abilitiesOf(server) };
    const format = formatFor(server);
    const rules = {
      ...EXPIRY_RULES,
      ...OTHER_RULES,
      ...restoreRules(format),
      ...scriptRules(server, recordedFrom),
      ...databaseRules(this.#databases),
      ...slotRules(this.#imports),
    };
    for (const [name, rule] of Object.entries(rules)) {
      const isKnown = rule.emits === undefined || this.#isKnown(rule.emits);
      this.#ways.set(name, isKnown ? rule : UNKNOWN);
    }
  }

  /** Whether what was handed out so far ends outside MULTI … EXEC. */
  get isCut(): boolean {
    return !this.#reader.inTransaction;
  }

  get report(): TranslationReport {
    return {
      commands: this.#commands,
      rewritten: this.#rewritten,
      dropped: { ...this.#dropped },
      inexact: structuredClone(this.#inexact) as Record<string, InexactCommands>,
    };
  }

  /**
   * Takes the next bytes, which must never change, and gives all whole commands that they complete,
   * in pieces that are the receiver's to keep. Throws STREAM_CORRUPT and REPLAY_INEXACT, with the
   * offset in the recording.
   */
  translate(bytes: Buffer, atMs: number): readonly Buffer[] {
    this.#context.atMs = atMs;
    this.#piece = bytes;
    this.#runStart = 0;
    this.#runEnd = 0;
    this.#reader.push(bytes, 0, bytes.length, this.#take);
    this.#endRun();
    this.#endOutput();
    const ready = this.#ready;
    this.#ready = [];
    return ready;
  }

  /**
   * To be called behind the last piece: STREAM_CORRUPT when that ended within something,
   * REPLAY_INEXACT when the state there is one that nobody saw.
   */
  finish(): void {
    const { isWithinCommand, inTransaction, offset } = this.#reader;
    if (isWithinCommand || inTransaction) {
      const where = isWithinCommand ? 'a command' : 'MULTI';
      throw new CodedError('STREAM_CORRUPT', `Cannot replay the log: it ends within ${where}`, {
        offset,
      });
    }
    if (this.#imports.size === 0) return;
    const why = 'slots were being imported, whose keys no client could see yet';
    this.#judge({ name: 'CLUSTER SYNCSLOTS', offset }, why);
  }

  readonly #take = (command: StreamCommand): void => {
    this.#commands++;
    const way = this.#ways.get(command.name) ?? this.#chooseWay(command);
    if (command.database >= this.#databases && !STRUCTURE.has(command.name)) {
      const why = `it is for database ${command.database}, and the server has ${this.#databases}`;
      return this.#judge(command, why);
    }
    if (way === 'pass') this.#pass(command);
    else if ('unknown' in way) this.#skipUnknown(command);
    else if (way.touches(command, this.#context)) this.#apply(way, command);
    else this.#pass(command);
  };

  #chooseWay(command: StreamCommand): Way {
    const way = this.#wayOf(command.name);
    this.#ways.set(command.name, way);
    return way;
  }

  #wayOf(name: string): Way {
    if (STRUCTURE.has(name)) return 'pass';
    if (name === 'RREPLAY') return this.#relayRule;
    return this.#isKnown(name) ? 'pass' : UNKNOWN;
  }

  #isKnown(name: string): boolean {
    const known = this.#options.server.knownCommands;
    return known === undefined || isKnownCommand(name, known);
  }

  /** What KeyDB wraps, as if it had come bare. */
  readonly #relayRule: Rule = {
    touches: () => true,
    write: (relay) => {
      const { database } = relay;
      let inForce = database;
      const isWhole = readRelayed(relay, (command) => {
        if (command.name === 'SELECT') return;
        if (command.database !== inForce) this.#select(command.database);
        inForce = command.database;
        this.#take(command);
      });
      if (inForce !== database) this.#select(database);
      if (isWhole) return 'rewritten';
      return { action: 'skip', why: 'what it carries cannot be read' };
    },
  };

  #select(database: number): void {
    this.#endRun();
    this.#writer.begin(2);
    this.#writer.word('SELECT');
    this.#writer.integer(database);
  }

  #apply(rule: Rule, command: StreamCommand): void {
    this.#endRun();
    const verdict = rule.write(command, this.#writer, this.#context);
    if (verdict === 'pass') this.#pass(command);
    else if (verdict === 'rewritten') this.#rewritten++;
    else if (verdict === 'dropped') count(this.#dropped, command.name);
    else {
      this.#judge(command, verdict.why);
      if (verdict.action === 'pass') this.#pass(command);
    }
    if (this.#output.length >= OUTPUT_BYTES) this.#endOutput();
  }

  #skipUnknown(command: StreamCommand): void {
    const { family, version } = this.#options.server;
    this.#judge(command, `${family} ${version} does not know it`);
  }

  #judge({ name, offset }: Pick<StreamCommand, 'name' | 'offset'>, why: string): void {
    if (!this.#options.allowInexact) {
      throw new CodedError('REPLAY_INEXACT', `Cannot replay ${name} exactly: ${why}`, { offset });
    }
    const had = this.#inexact[name];
    this.#inexact[name] = { count: (had?.count ?? 0) + 1, why };
  }

  #pass(command: StreamCommand): void {
    const { bytes, start, end } = command;
    if (bytes !== this.#piece) {
      this.#endRun();
      this.#copy(bytes, start, end);
      return;
    }
    if (start !== this.#runEnd) {
      this.#endRun();
      this.#runStart = start;
    }
    this.#runEnd = end;
  }

  #endRun(): void {
    const [start, end] = [this.#runStart, this.#runEnd];
    this.#runStart = end;
    if (start === end) return;
    if (end - start < LONG_RUN_BYTES) return this.#copy(this.#piece, start, end);
    this.#endOutput();
    this.#ready.push(this.#piece.subarray(start, end));
  }

  #copy(bytes: Buffer, start: number, end: number): void {
    if (end - start >= OUTPUT_BYTES) {
      this.#endOutput();
      this.#ready.push(Buffer.from(bytes.subarray(start, end)));
      return;
    }
    this.#output.append(bytes, start, end);
    if (this.#output.length >= OUTPUT_BYTES) this.#endOutput();
  }

  #endOutput(): void {
    if (this.#output.length === 0) return;
    this.#ready.push(this.#output.copy());
    this.#output.clear();
  }
}

function abilitiesOf({ family, version }: FedServer): Abilities {
  const number = versionNumber(version);
  const isRedis = family === 'redis';
  return {
    setsExpiryAt: family !== 'keydb' && (!isRedis || number >= 60200),
    restoresAbsolute: !isRedis || number >= 50000,
    knowsIdempotency: isRedis && number >= 80600,
    persistsPassedFields: !isRedis,
  };
}

function formatFor({ family, version }: FedServer) {
  return targetFormat(family === 'unknown' ? 'redis' : family, versionNumber(version));
}

function count(counts: Record<string, number>, name: string): void {
  counts[name] = (counts[name] ?? 0) + 1;
}
