/** Draws bars of block characters. */

/** From the lowest value of the scale to the highest. */
const BARS = Array.from('▁▂▃▄▅▆▇█');
const MISSING = '·';

/** A bar per value: the scale runs from 0, or the lowest value below 0, to the highest value. A dot for null. */
export function sparkline(values: readonly (number | null)[]): string {
  const known = values.filter((value) => value !== null);
  const bottom = known.reduce((lowest, value) => Math.min(lowest, value), 0);
  const top = known.reduce((highest, value) => Math.max(highest, value), bottom);
  const heightOf = (value: number) => (top > bottom ? (value - bottom) / (top - bottom) : 0);
  const barOf = (value: number) => BARS[Math.round(heightOf(value) * (BARS.length - 1))] ?? MISSING;
  return values.map((value) => (value === null ? MISSING : barOf(value))).join('');
}

/**
 * Combines neighbouring values into at most `maxCells` means. Means, not sums: the last cell may have fewer values. Nulls are
 * left out; a cell of nulls is null.
 */
export function inCells(values: readonly (number | null)[], maxCells: number): (number | null)[] {
  if (values.length === 0) return [];
  const cellSize = Math.ceil(values.length / maxCells);
  return Array.from({ length: Math.ceil(values.length / cellSize) }, (_, cell) => {
    const known = values.slice(cell * cellSize, (cell + 1) * cellSize).filter((value) => value !== null);
    return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0) / known.length;
  });
}

/** A bar's last cell: 0 to 7 eighths. */
const EIGHTHS = Array.from(' ▏▎▍▌▋▊▉');

/** A bar for a share (0 to 1) of `maxCells` cells. */
export function bar(share: number, maxCells: number): string {
  const eighths = Math.round(Math.min(Math.max(share, 0), 1) * maxCells * 8);
  return `${'█'.repeat(Math.floor(eighths / 8))}${EIGHTHS[eighths % 8] ?? ''}`.trimEnd();
}
