/** What became of the commands of a stream on their way to the fed server. */
export type TranslationReport = {
  /** Commands of the recording, PING and SELECT included. */
  readonly commands: number;
  /** Those that were written otherwise for this server. */
  readonly rewritten: number;
  /** Left out because they are no data here (PUBLISH, markers of slot migration). */
  readonly dropped: Readonly<Record<string, number>>;
  /** By command: left out, or replayed without a promise, although the data depends on them. */
  readonly inexact: Readonly<Record<string, InexactCommands>>;
};

export type InexactCommands = {
  readonly count: number;
  /** One sentence. */
  readonly why: string;
};
