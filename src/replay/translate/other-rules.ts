import type { StreamCommand } from '../../commands/index.ts';
import { always, type Rule, wordAt } from './rule.ts';

/** What reaches readers of a channel, or keeps a link: nothing of it is data. */
const NO_DATA = always(() => 'dropped');

/** `XADD key [NOMKSTREAM] [IDMP producer iid | IDMPAUTO producer] [MAXLEN …] id field value …` */
const XADD: Rule = {
  emits: 'XADD',
  touches: (command, { can }) => !can.knowsIdempotency && idempotency(command) !== undefined,
  write: (command, out) => {
    const found = idempotency(command);
    if (found === undefined) return 'pass';
    const why = 'the server does not keep which messages of a producer it has';
    // A message that the source had already, and did not add: its id was never made.
    if (found.hasNoId) return { action: 'skip', why };
    out.begin(command.argc - found.words);
    for (let i = 0; i < command.argc; i++) {
      if (i < found.at || i >= found.at + found.words) out.bytes(command.arg(i));
    }
    return { action: 'rewritten', why };
  },
};

type Idempotency = { readonly at: number; readonly words: number; readonly hasNoId: boolean };

/** Options come before the id, which is the first word that is none. */
function idempotency(command: StreamCommand): Idempotency | undefined {
  let found: { at: number; words: number } | undefined;
  for (let at = 2; at < command.argc; at++) {
    const word = wordAt(command, at);
    if (word === 'IDMP' || word === 'IDMPAUTO') {
      found = { at, words: word === 'IDMP' ? 3 : 2 };
      at += found.words - 1;
    } else if (word === 'MAXLEN' || word === 'MINID') {
      const sign = at + 1 < command.argc ? wordAt(command, at + 1) : '';
      at += sign === '=' || sign === '~' ? 2 : 1;
    } else if (word === 'LIMIT') {
      at++;
    } else if (!/^(NOMKSTREAM|KEEPREF|DELREF|ACKED)$/.test(word)) {
      return found && { ...found, hasNoId: word === '*' };
    }
  }
  return undefined;
}

export const OTHER_RULES: Readonly<Record<string, Rule>> = {
  PUBLISH: NO_DATA,
  SPUBLISH: NO_DATA,
  REPLPING: NO_DATA,
  XADD,
};
