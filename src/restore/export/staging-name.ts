/** Under which name a key is built, in its own hash slot: it becomes the tag if it has none. */
export function stagingName(key: Uint8Array, task: string): Buffer {
  const bytes = Buffer.from(key.buffer, key.byteOffset, key.length);
  const hasBraces = bytes.includes('{') || bytes.includes('}') || bytes.length === 0;
  const open = hasBraces ? '' : '{';
  const close = hasBraces ? '' : '}';
  return Buffer.concat([Buffer.from(open), bytes, Buffer.from(`${close}_export_${task}_building`)]);
}
