/** `<sequence>.open` is being written; `<sequence>-<end offset>.closed` waits to be stored. */
export const SPOOL_FILE = /^(\d{10})(?:-(\d{20}))?\.(open|closed)$/;

export function openName(sequence: number): string {
  return `${String(sequence).padStart(10, '0')}.open`;
}

export function closedName(sequence: number, endOffset: number): string {
  const end = String(endOffset).padStart(20, '0');
  return `${String(sequence).padStart(10, '0')}-${end}.closed`;
}
