/**
 * Where the part of a recording begins that the server of today does not know: a promoted replica,
 * or one that restarted from an older dump, names the history that it left and how far it had it
 * (`second_repl_offset` is the first byte that it did not have). null: nothing of the recording is
 * known to be foreign to it. `info` is its INFO.
 */
export function whereOrphanBegins(
  info: Readonly<Record<string, string>>,
  recorded: { readonly replid: string; readonly offset: number },
): number | null {
  if (info['master_replid'] === recorded.replid || info['master_replid2'] !== recorded.replid) {
    return null;
  }
  const known = Number(info['second_repl_offset']) - 1;
  return Number.isSafeInteger(known) && known >= 0 && known < recorded.offset ? known : null;
}
