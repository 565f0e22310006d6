/** What a hostile input led to; anything else is thrown, with what was done to the input. */
export type Outcome = {
  /** `ok`, or the code of the error. */
  readonly end: string;
  /** What was done, for people. */
  readonly what: string;
};

/** Numbered hostile inputs: the same seed and index make the same case. */
export interface HostileCases extends AsyncDisposable {
  run(seed: number, index: number): Promise<Outcome>;
}

/** A seed for one case, far from its neighbours'. */
export function caseSeed(seed: number, index: number): number {
  return (Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca77)) | 0;
}
