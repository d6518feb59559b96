import type { Micros, Span } from '../../domain/time.ts';
import type { ValveReport } from './data.ts';

/** Two readings further apart have a gap between them: the same measure that tasmart_consumption takes. */
const GAP_INTERVALS = 1.5;

/** A span, and how far apart readings ought to be; nothing is said of what lies after its end. */
export interface Stretch extends Span {
  intervalUs: number;
}

/**
 * Where readings are missing. What comes before the first of them is no gap; after the last, the end of the stretch is
 * as good as a reading.
 *
 * @param timesUs ascending, with the neighbours of the stretch
 */
export function gaps(timesUs: readonly Micros[], stretch: Stretch): Span[] {
  return timesUs.flatMap((fromUs, index) => {
    const toUs = timesUs[index + 1] ?? stretch.toUs;
    return isGap(fromUs, toUs, stretch) ? cut({ fromUs, toUs }, stretch) : [];
  });
}

interface ErrorReading {
  timeUs: Micros;
  errorStatus: readonly string[] | null;
}

/**
 * Periods of the same errors: from the first reading that tells them to the next that differs. Of what holds in a gap
 * nothing is known: a period ends with the last reading before it, and if that is its only one, has no length.
 *
 * @param readings in order of time, with the neighbours of the stretch
 */
export function errors(readings: readonly ErrorReading[], stretch: Stretch): ValveReport['errors'][number][] {
  const periods: (Span & { names: string[] })[] = [];
  readings.forEach(({ timeUs, errorStatus }, index) => {
    const names = [...new Set(errorStatus)].sort();
    if (names.length === 0) return;
    const nextUs = readings[index + 1]?.timeUs ?? stretch.toUs;
    const toUs = isGap(timeUs, nextUs, stretch) ? timeUs : Math.max(timeUs, nextUs);
    const previous = periods.at(-1);
    // A period that was cut short at a gap does not reach this reading.
    if (previous?.toUs === timeUs && JSON.stringify(previous.names) === JSON.stringify(names)) previous.toUs = toUs;
    else periods.push({ fromUs: timeUs, toUs, names });
  });
  return periods.flatMap(({ names, ...span }) => cut(span, stretch).map((part) => ({ ...part, names })));
}

function isGap(fromUs: Micros, toUs: Micros, { intervalUs }: Stretch): boolean {
  return toUs - fromUs > GAP_INTERVALS * intervalUs;
}

/** The part of a span that lies in the stretch, if any. */
function cut({ fromUs, toUs }: Span, stretch: Stretch): Span[] {
  const part = { fromUs: Math.max(fromUs, stretch.fromUs), toUs: Math.min(toUs, stretch.toUs) };
  return part.fromUs < part.toUs || (part.fromUs === part.toUs && fromUs === toUs) ? [part] : [];
}
