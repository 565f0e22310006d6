/** Wall clocks of time zones, by the zone data that Node carries. */

const formats = new Map<string, Intl.DateTimeFormat>();

/** The zone that this process runs in, as in "Europe/Berlin". */
export function machineZone(): string {
  return new Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** What a clock in `zone` shows at `ms`, as the milliseconds that UTC would show the same at. */
export function wallClock(ms: number, zone: string): number {
  const parts = new Map<string, number>();
  for (const { type, value } of formatOf(zone).formatToParts(ms)) parts.set(type, Number(value));
  const part = (name: string): number => parts.get(name) ?? 0;
  const seconds = Date.UTC(
    part('year'),
    part('month') - 1,
    part('day'),
    part('hour'),
    part('minute'),
    part('second'),
  );
  return seconds + (((ms % 1000) + 1000) % 1000);
}

/** Milliseconds that the clocks of `zone` are ahead of UTC at `ms`. */
export function offsetAt(ms: number, zone: string): number {
  return wallClock(ms, zone) - ms;
}

/** The offsets in force around a wall clock time: one, or two where clocks change near it. */
export function offsetsNear(wallMs: number, zone: string): number[] {
  const day = 86_400_000;
  const around = [wallMs - day, wallMs, wallMs + day];
  return [...new Set(around.map((ms) => offsetAt(ms, zone)))];
}

/** Every instant at which clocks in `zone` show `wallMs`: one, or none, or two; rising. */
export function readingsOf(wallMs: number, zone: string): number[] {
  return offsetsNear(wallMs, zone)
    .map((offset) => wallMs - offset)
    .filter((ms) => wallClock(ms, zone) === wallMs)
    .toSorted((a, b) => a - b);
}

/** `2026-10-25T02:30:00+01:00`, with milliseconds where there are some. */
export function formatWithOffset(wallMs: number, offsetMs: number): string {
  const text = new Date(wallMs)
    .toISOString()
    .replace('Z', '')
    .replace(/\.000$/, '');
  const minutes = Math.round(Math.abs(offsetMs) / 60_000);
  const pad = (n: number): string => String(n).padStart(2, '0');
  const zone = `${pad(Math.trunc(minutes / 60))}:${pad(minutes % 60)}`;
  return `${text}${offsetMs < 0 ? '-' : '+'}${zone}`;
}

/** An instant as clocks in `zone` show it, with their offset: RFC 3339. */
export function formatInZone(ms: number, zone: string): string {
  const wallMs = wallClock(ms, zone);
  return formatWithOffset(wallMs, wallMs - ms);
}

function formatOf(zone: string): Intl.DateTimeFormat {
  let format = formats.get(zone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    formats.set(zone, format);
  }
  return format;
}
