export type Finding = {
  /** Stable name, e.g. `source.psync-right`. */
  readonly id: string;
  readonly level: 'ok' | 'warning' | 'error';
  readonly message: string;
  /** What to do, when there is something to do. */
  readonly remedy: string | null;
};

export function ok(id: string, message: string): Finding {
  return { id, level: 'ok', message, remedy: null };
}

export function warning(id: string, message: string, remedy: string): Finding {
  return { id, level: 'warning', message, remedy };
}

export function error(id: string, message: string, remedy: string): Finding {
  return { id, level: 'error', message, remedy };
}
