/** Spans without readings, and spans of readings with the same names. */
import type { Micros, Span } from '../../domain/time.ts';
import type { NamedSpan } from './data.ts';

/** Two readings that are further apart have a gap between them. As `isOutage` in energy/readings.ts, for `coverage`. */
const GAP_INTERVALS = 1.5;

/** A span, and the configured time between two readings. */
export interface Stretch extends Span {
  intervalUs: number;
}

/**
 * Where readings are missing. Time before the first reading is not a gap. After the last reading, the end of the stretch
 * counts as a reading.
 *
 * @param timesUs ascending, with the neighbours of the stretch
 */
export function gaps(timesUs: readonly Micros[], stretch: Stretch): Span[] {
  const found: Span[] = [];
  for (const [index, fromUs] of timesUs.entries()) {
    const toUs = timesUs[index + 1] ?? stretch.toUs;
    if (isGap(fromUs, toUs, stretch)) found.push(...cutToStretch({ fromUs, toUs }, stretch));
  }
  return found;
}

/**
 * Spans of readings with the same names, such as errors: from the first such reading to the next one that differs.
 * What holds in a gap is unknown, so a span ends with the last reading before the gap. A span of one reading before a gap
 * has no length.
 *
 * @param timesUs ascending, with the neighbours of the stretch
 * @param namesAt the names of each reading
 */
export function namedSpans(
  timesUs: readonly Micros[],
  namesAt: readonly (readonly string[])[],
  stretch: Stretch,
): NamedSpan[] {
  const periods: (Span & { names: string[] })[] = [];
  timesUs.forEach((timeUs, index) => {
    const names = [...new Set(namesAt[index])].sort();
    if (names.length === 0) return;
    const nextUs = timesUs[index + 1] ?? stretch.toUs;
    // The last neighbour may lie after the end of the stretch: its span has no length.
    const toUs = isGap(timeUs, nextUs, stretch) ? timeUs : Math.max(timeUs, nextUs);
    const previous = periods.at(-1);
    // A span that was cut short at a gap does not reach this reading.
    if (previous?.toUs === timeUs && JSON.stringify(previous.names) === JSON.stringify(names)) previous.toUs = toUs;
    else periods.push({ fromUs: timeUs, toUs, names });
  });
  return periods.flatMap(({ names, ...span }) => cutToStretch(span, stretch).map((part) => ({ ...part, names })));
}

function isGap(fromUs: Micros, toUs: Micros, { intervalUs }: Stretch): boolean {
  return toUs - fromUs > GAP_INTERVALS * intervalUs;
}

/** The part of a span that lies in the stretch, or nothing. Only a span without a length has a part without one. */
function cutToStretch({ fromUs, toUs }: Span, stretch: Stretch): Span[] {
  const part = { fromUs: Math.max(fromUs, stretch.fromUs), toUs: Math.min(toUs, stretch.toUs) };
  const isInside = fromUs === toUs ? part.fromUs <= part.toUs : part.fromUs < part.toUs;
  return isInside ? [part] : [];
}
