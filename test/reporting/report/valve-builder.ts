/** Valves with computed data, for the tests of the page. */
import { DateTime } from 'luxon';
import type { EnergyBucket } from '../../../src/database/report.ts';
import { US_PER_HOUR, US_PER_MINUTE, US_PER_SECOND, type Micros, type Span } from '../../../src/domain/time.ts';
import type { ReportEvent, Series, ValveReport } from '../../../src/reporting/report/data.ts';
import { dayRanges } from '../../../src/reporting/report/day-ranges.ts';
import { barsPayload } from '../../../src/reporting/report/embedded.ts';

export const TIMEZONE = 'Europe/Rome';
const INTERVAL_US = 15 * US_PER_MINUTE;

/** A local time such as `2026-11-16T03:00`, in TIMEZONE. */
export function local(text: string): Micros {
  return DateTime.fromISO(text, { zone: TIMEZONE }).toMillis() * 1000;
}

export const FROM_US = local('2026-11-16T00:00');
export const TO_US = local('2026-11-23T00:03');

interface ValvePlan extends Partial<ValveReport> {
  /** stretches without a reading */
  holes?: readonly Span[];
  /** when the valve fell silent */
  untilUs?: Micros;
  /** qualities of single hours of regime 1, by the start of the hour */
  qualities?: ReadonlyMap<Micros, EnergyBucket['quality']>;
  peakKw?: number;
  coolingKw?: number;
  /** time between readings */
  stepUs?: Micros;
  /** which properties are stored, besides flow and power */
  stored?: 'temperatures' | 'all' | 'nothing';
}

/** A valve without faults that has a reading every 15 minutes, changed as the plan says. */
export function valveOf(
  index: number,
  plan: ValvePlan = {},
  { fromUs, toUs } = { fromUs: FROM_US, toUs: TO_US },
): ValveReport {
  const {
    holes = [],
    untilUs = toUs,
    qualities,
    peakKw = 20,
    coolingKw = 0,
    stepUs = INTERVAL_US,
    stored = 'temperatures',
    ...more
  } = plan;
  const gaps = [...holes, ...(untilUs < toUs ? [{ fromUs: untilUs, toUs }] : [])];
  const hasReading = (timeUs: Micros): boolean => !gaps.some((gap) => gap.fromUs < timeUs && timeUs < gap.toUs);
  const timesUs: Micros[] = [];
  for (let timeUs = fromUs; timeUs <= toUs; timeUs += stepUs) {
    const jitteredUs = timeUs - (timeUs === fromUs ? 0 : (index % 9) * US_PER_SECOND);
    if (hasReading(jitteredUs)) timesUs.push(jitteredUs);
  }
  const days = daysOf(fromUs, toUs, hasReading);
  const load = (timeUs: Micros): number => loadAt(timeUs, index);
  const series = (
    property: Series['property'],
    unit: string,
    places: number,
    valueAt: (timeUs: Micros) => number,
  ): Series => {
    const values = timesUs.map((timeUs) => Number(valueAt(timeUs).toFixed(places)));
    const dayStartsUs = days.map(({ startUs }) => startUs);
    return { property, unit, places, values, dayRanges: dayRanges(timesUs, values, dayStartsUs) };
  };
  const buckets = (regime: 1 | 2, kw: number): EnergyBucket[] =>
    hoursOf(fromUs, toUs).map((hour) => bucketOf(regime, hour, kw, { index, gaps, untilUs, qualities }));
  const energy = ([1, 2] as const).map((regime) => {
    const hours = buckets(regime, regime === 1 ? peakKw : coolingKw);
    const totalKwh = hours.reduce((sum, { kwh }) => sum + Math.round((kwh ?? 0) * 1000), 0) / 1000;
    return {
      regime,
      totalKwh: Number(totalKwh.toFixed(3)),
      previousKwh: Number((totalKwh * 0.8).toFixed(3)),
      isLowerBound: hours.some(({ quality }) => quality === 'reset' || quality === 'jump'),
      bars: barsPayload(regime, hours, fromUs),
    };
  });
  const newestUs = timesUs.at(-1) ?? null;
  return {
    id: `0000000${index}-1111-4222-8333-444444444444`,
    label: `Valve ${index + 1}`,
    shortSn: `dc8a9c${String(index).padStart(2, '0')}`,
    fullSn: `3a0025000f51373039dc8a${String(index).padStart(2, '0')}`,
    projectName: 'Ex Opificio',
    account: null,
    firmware: '1.9.2',
    backendRef: null,
    state: 'ok',
    newestUs,
    ageUs: newestUs === null ? null : toUs - newestUs,
    counter1Kwh: 163_064,
    counter2Kwh: 0,
    errorStatus: [],
    days,
    gaps,
    errors: [],
    timesUs,
    series: [
      series('measured_flow', 'm³/h', 4, (timeUs) => (load(timeUs) * peakKw) / 14),
      series('measured_power', 'kW', 4, (timeUs) => load(timeUs) * peakKw),
      ...(stored !== 'nothing'
        ? [
            series('local_temp', '°C', 1, (timeUs) => 28 + 12 * load(timeUs)),
            series('remote_temp', '°C', 1, (timeUs) => 38 + 26 * load(timeUs)),
            series('delta_t', 'K', 1, (timeUs) => 10 + 14 * load(timeUs)),
          ]
        : []),
      ...(stored === 'all'
        ? [
            series('relative_flow', '%', 2, (timeUs) => 90 * load(timeUs)),
            series('relative_power', '%', 2, (timeUs) => 80 * load(timeUs)),
            series('position', '%', 2, (timeUs) => 20 + 70 * load(timeUs)),
            series('input_signal', 'V', 1, (timeUs) => 10 * load(timeUs)),
          ]
        : []),
    ],
    energy,
    withoutValues: [],
    events: [...(qualities ?? [])].flatMap(([startsUs, quality]) => eventOf(startsUs, quality)),
    deltaT: stored === 'nothing' ? null : { meanK: 17.6, hours: 168, lowHours: 3.25, supply: 'remote' },
    ...more,
  };
}

/** The event of a counter that was reset or jumped within 15 minutes. Empty for other qualities. */
function eventOf(startsUs: Micros, kind: EnergyBucket['quality']): ReportEvent[] {
  if (kind !== 'reset' && kind !== 'jump') return [];
  const toKwh = kind === 'reset' ? 12 : 199_000;
  return [
    { regime: 1, kind, fromUs: startsUs, toUs: startsUs + INTERVAL_US, fromKwh: 163_000, toKwh, countedKwh: 2.31 },
  ];
}

/** The share of the peak power at an instant: a day's rhythm and some noise, shifted per valve. */
function loadAt(timeUs: Micros, index: number): number {
  const hours = timeUs / US_PER_HOUR + index * 0.7;
  const day =
    0.5 + 0.3 * Math.sin(((hours - 5) / 24) * 2 * Math.PI) + 0.12 * Math.sin(((hours - 2) / 12) * 2 * Math.PI);
  return Math.max(0, day + 0.05 * Math.sin(hours * 9.1) + 0.02 * Math.sin(hours * 31.7));
}

interface BucketPlan {
  index: number;
  gaps: readonly Span[];
  untilUs: Micros;
  qualities: ReadonlyMap<Micros, EnergyBucket['quality']> | undefined;
}

function bucketOf(regime: 1 | 2, hour: Span, kw: number, plan: BucketPlan): EnergyBucket {
  const { fromUs: startUs, toUs: endUs } = hour;
  const { gaps, untilUs, qualities, index } = plan;
  const isOpen = endUs > untilUs;
  const inGap = gaps.some((gap) => gap.fromUs < endUs && startUs < gap.toUs);
  const chosen = regime === 1 ? qualities?.get(startUs) : undefined;
  const usual = startUs >= untilUs ? 'missing' : isOpen ? 'provisional' : inGap ? 'estimated' : 'measured';
  const quality = chosen ?? usual;
  const kwh = (kw * loadAt(startUs, index) * (endUs - startUs)) / US_PER_HOUR;
  return {
    ...hour,
    quality,
    kwh: quality === 'missing' ? null : Number(kwh.toFixed(3)),
    coverage: inGap || isOpen ? 0.4 : 1,
  };
}

/** As the database gives them: the first may begin before the span. */
function hoursOf(fromUs: Micros, toUs: Micros): Span[] {
  const hours: Span[] = [];
  for (let startUs = fromUs - (fromUs % US_PER_HOUR); startUs < toUs; startUs += US_PER_HOUR) {
    hours.push({ fromUs: startUs, toUs: Math.min(startUs + US_PER_HOUR, toUs) });
  }
  return hours;
}

function daysOf(fromUs: Micros, toUs: Micros, hasReading: (timeUs: Micros) => boolean): ValveReport['days'] {
  const days: { startUs: Micros; expected: number; present: number }[] = [];
  let startUs = fromUs;
  while (startUs < toUs) {
    const nextUs =
      DateTime.fromMillis(startUs / 1000, { zone: TIMEZONE })
        .plus({ days: 1 })
        .startOf('day')
        .toMillis() * 1000;
    const day = { startUs, expected: 0, present: 0 };
    for (let timeUs = startUs; timeUs < Math.min(nextUs, toUs); timeUs += INTERVAL_US) {
      day.expected++;
      if (hasReading(timeUs - US_PER_SECOND)) day.present++;
    }
    days.push(day);
    startUs = nextUs;
  }
  return days;
}
