/** INFO's `name:value` lines by name; section headings and anything else are left out. */
export function parseInfo(text: string): Record<string, string> {
  const fields: Record<string, string> = Object.create(null);
  for (const line of text.split(/\r?\n/)) {
    const colon = line.indexOf(':');
    if (colon <= 0 || line.startsWith('#')) continue;
    fields[line.slice(0, colon)] = line.slice(colon + 1);
  }
  return fields;
}

/** A whole number of INFO, or `null` when it is absent or something else. */
export function infoNumber(fields: Readonly<Record<string, string>>, name: string): number | null {
  const text = fields[name];
  if (text === undefined || !/^-?\d+$/.test(text)) return null;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : null;
}

/** A 0/1 flag of INFO. */
export function infoFlag(fields: Readonly<Record<string, string>>, name: string): boolean | null {
  const value = infoNumber(fields, name);
  return value === null ? null : value !== 0;
}
