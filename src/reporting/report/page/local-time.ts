/**
 * The wall clock of the report's time zone, from a table of the zone's offsets, so that the page does not depend on the
 * browser's time zones. Runs in Node and in the browser.
 */

/** Each offset holds from `fromS` (seconds since 1970) on. It is the number of seconds that local time is ahead of UTC. */
export type ZoneOffsets = readonly (readonly [fromS: number, offsetS: number])[];

export const DAY_S = 86_400;

const WEEKDAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** The wall clock as seconds since 1970, as if it showed UTC. */
export function wallOf(offsets: ZoneOffsets, timeS: number): number {
  return timeS + offsetAt(offsets, timeS);
}

/** When the wall clock first shows this. For an hour that it skips, the offset before the change is used. */
export function timeOf(offsets: ZoneOffsets, wallS: number): number {
  const times = timesOf(offsets, wallS);
  return times.length > 0 ? Math.min(...times) : wallS - offsetAt(offsets, wallS - DAY_S);
}

/** Two times for an hour that the clock shows twice, none for an hour that it skips. */
function timesOf(offsets: ZoneOffsets, wallS: number): number[] {
  const times = new Set(offsets.map(([, offsetS]) => wallS - offsetS));
  return [...times].filter((timeS) => wallOf(offsets, timeS) === wallS);
}

/** `Mon 16 Nov` */
export function dayText(wallS: number): string {
  const date = new Date(wallS * 1000);
  return `${WEEKDAYS[date.getUTCDay()] ?? ''} ${date.getUTCDate()} ${MONTHS[date.getUTCMonth()] ?? ''}`;
}

/** `13:45` */
export function clockText(wallS: number): string {
  return new Date(wallS * 1000).toISOString().slice(11, 16);
}

/** `Mon 16 Nov 13:45`; with the offset in the hour that the clock shows twice. */
export function timeText(offsets: ZoneOffsets, timeS: number): string {
  const wallS = wallOf(offsets, timeS);
  return `${dayText(wallS)} ${clockText(wallS)}${ambiguity(offsets, timeS)}`;
}

/** `Mon 16 Nov 03:00 – 06:15`, `Mon 16 Nov 22:00 – Tue 17 Nov 01:00` */
export function spanText(offsets: ZoneOffsets, fromS: number, toS: number): string {
  const toWallS = wallOf(offsets, toS);
  const isOneDay = dayText(wallOf(offsets, fromS)) === dayText(toWallS) && toS - fromS < 2 * DAY_S;
  const end = isOneDay ? `${clockText(toWallS)}${ambiguity(offsets, toS)}` : timeText(offsets, toS);
  return `${timeText(offsets, fromS)} – ${end}`;
}

/** ` (UTC+2:00)` if the clock shows this local time twice, else empty. */
function ambiguity(offsets: ZoneOffsets, timeS: number): string {
  if (timesOf(offsets, wallOf(offsets, timeS)).length < 2) return '';
  const offsetS = offsetAt(offsets, timeS);
  return ` (UTC${offsetS < 0 ? '−' : '+'}${clockText(Math.abs(offsetS)).replace(/^0/, '')})`;
}

function offsetAt(offsets: ZoneOffsets, timeS: number): number {
  let found = offsets[0]?.[1] ?? 0;
  for (const [fromS, offsetS] of offsets) if (fromS <= timeS) found = offsetS;
  return found;
}
