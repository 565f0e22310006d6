/** How a target is, as INFO and the time of a PING tell. */
export type TargetVitals = {
  /** Monotonic. */
  readonly atMs: number;
  readonly latencyMs: number;
  /** Memory that counts towards maxmemory. */
  readonly countedBytes: number;
  /** 0: no limit. */
  readonly maxBytes: number;
  /** Output buffers of the target's replicas. */
  readonly replicaBufferBytes: number;
  /** Bytes that the restore had written by then. */
  readonly passedBytes: number;
};

/** docs/restore.md, "What the target bears". */
export type TargetBounds = {
  readonly latencyMs: number;
  readonly replicaBufferBytes: number;
  /** Of maxmemory: the restore ends before more is in use. */
  readonly fullShare: number;
};

export const DEFAULT_BOUNDS: TargetBounds = {
  latencyMs: 500,
  replicaBufferBytes: 64 << 20,
  fullShare: 0.97,
};

export type Bearing = {
  /** Why to go slower. */
  readonly slow?: string;
  /** How fast to go then; undefined: half as fast as now. */
  readonly bytesPerSecond?: number;
  /** Why to end. */
  readonly stop?: string;
};

/** Looks ahead by so many intervals of looking: memory grows between two looks. */
const LOOKS_AHEAD = 3;

/** Decides how to go on from two looks at the target, the last and the one before. */
export function judgeTarget(
  now: TargetVitals,
  before: TargetVitals | undefined,
  bounds: TargetBounds,
): Bearing {
  const memory = judgeMemory(now, before, bounds);
  if (memory !== undefined) return memory;
  if (now.replicaBufferBytes > bounds.replicaBufferBytes) {
    return { slow: `the target holds ${mebibytes(now.replicaBufferBytes)} for its replicas` };
  }
  // One slow answer may be chance, or our own doing.
  const wasSlow = before !== undefined && before.latencyMs > bounds.latencyMs;
  if (wasSlow && now.latencyMs > bounds.latencyMs) {
    return { slow: `the target took ${Math.round(now.latencyMs)} ms to answer` };
  }
  return {};
}

function judgeMemory(
  now: TargetVitals,
  before: TargetVitals | undefined,
  { fullShare }: TargetBounds,
): Bearing | undefined {
  if (now.maxBytes === 0) return undefined;
  const left = now.maxBytes * fullShare - now.countedBytes;
  const text = `it uses ${mebibytes(now.countedBytes)} of ${mebibytes(now.maxBytes)} (maxmemory)`;
  if (left <= 0) return { stop: `the target is nearly full, ${text}` };
  if (before === undefined) return undefined;
  const grown = now.countedBytes - before.countedBytes;
  const written = now.passedBytes - before.passedBytes;
  if (grown <= 0 || written <= 0 || left > grown * LOOKS_AHEAD) return undefined;
  // So that at most half of what is left is filled until the next look.
  const seconds = (now.atMs - before.atMs) / 1000;
  const bytesPerSecond = ((left / 2) * (written / grown)) / Math.max(seconds, 0.001);
  return { slow: `the target will soon be full, ${text}`, bytesPerSecond };
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / (1 << 20))} MiB`;
}
