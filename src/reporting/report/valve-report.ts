/** Turns the stored data of a valve into the data of the page. */
import type { MeteredValve } from '../../database/consumption.ts';
import type { Charted, CounterEvent, ReportReading, ValveFacts } from '../../database/report.ts';
import { US_PER_MINUTE, type Micros } from '../../domain/time.ts';
import { sumDecimals } from '../decimal.ts';
import { completeness } from './completeness.ts';
import type { RegimeEnergy, Series, ValveReport } from './data.ts';
import { barsPayload, type Bucket } from './embedded.ts';
import { gaps, namedSpans } from './gaps.ts';
import { deltaT } from './delta-t.ts';
import { thin } from './thin.ts';

export interface ReportSpan {
  fromUs: Micros;
  toUs: Micros;
  /** later times are in the future */
  nowUs: Micros;
  timezone: string;
  intervalMinutes: number;
}

/** What is stored of one valve. */
export interface ValveRecord {
  valve: MeteredValve;
  label: string;
  facts: ValveFacts;
  state: ValveReport['state'];
  /** in order of time, with the neighbours of the span */
  readings: readonly ReportReading[];
  buckets: readonly Bucket[];
  previousBuckets: readonly Bucket[];
  events: readonly CounterEvent[];
}

/** `parts`: HyCloud's integer value for one `unit`. Flow and power come first: their charts are always shown. */
const UNITS: Record<Charted, { unit: string; parts: number }> = {
  measured_flow: { unit: 'm³/h', parts: 10_000 },
  measured_power: { unit: 'kW', parts: 10_000 },
  relative_flow: { unit: '%', parts: 100 },
  relative_power: { unit: '%', parts: 100 },
  position: { unit: '%', parts: 100 },
  input_signal: { unit: 'V', parts: 10 },
  local_temp: { unit: '°C', parts: 10 },
  remote_temp: { unit: '°C', parts: 10 },
};

const CHARTED = Object.keys(UNITS) as readonly Charted[];

/**
 * Limits of the charts' data in the page, per valve and in all. A page of 1 000 valves stays below 20 MB, and a month of a
 * single valve is complete.
 */
const CHART_BYTES = { perValve: 100_000, perPage: 8_000_000 };
/** Typical size of a time and of a value in embedded.ts. */
const TIME_BYTES = 5;
const VALUE_BYTES = 5;

export function valveReport(record: ValveRecord, span: ReportSpan, valveCount: number): ValveReport {
  const { valve, label, facts, state, readings, buckets, previousBuckets, events } = record;
  const { firstUs, newestUs, ageUs, counter1Kwh, counter2Kwh, errorStatus, projectName, account, firmware } = facts;
  const { id, shortSn, fullSn, backendRef } = valve;
  const intervalUs = span.intervalMinutes * US_PER_MINUTE;
  const past = { fromUs: span.fromUs, toUs: Math.min(span.toUs, span.nowUs), intervalUs };
  const timesUs = readings.map(({ timeUs }) => timeUs);
  const inSpan = readings.filter(({ timeUs }) => timeUs >= span.fromUs && timeUs <= span.toUs);
  return {
    ...{ id, label, shortSn, fullSn, projectName, account, firmware, backendRef },
    ...{ state, newestUs, ageUs, counter1Kwh, counter2Kwh, errorStatus },
    days: completeness(timesUs, { ...span, firstUs, intervalUs }),
    gaps: gaps(timesUs, past),
    errors: namedSpans(
      readings.map(({ timeUs, errorStatus }) => ({ timeUs, names: errorStatus ?? [] })),
      past,
    ),
    withoutValues: namedSpans(readings.map(missingValues), past),
    ...charts(inSpan, Math.min(CHART_BYTES.perValve, CHART_BYTES.perPage / valveCount)),
    energy: [
      energy(1, buckets, previousBuckets, counter1Kwh, span),
      energy(2, buckets, previousBuckets, counter2Kwh, span),
    ].filter((counter) => counter !== null),
    events,
    deltaT: deltaT(inSpan, intervalUs),
  };
}

/** Flow and power are always asked for. A valve that does not send them has a fault. */
function missingValues({ timeUs, values }: ReportReading): { timeUs: Micros; names: string[] } {
  return {
    timeUs,
    names: [...(values.measured_flow === null ? ['flow'] : []), ...(values.measured_power === null ? ['power'] : [])],
  };
}

/** Flow, power, and the other values that the valve sent, thinned to `maxBytes`. */
function charts(readings: readonly ReportReading[], maxBytes: number): Pick<ValveReport, 'timesUs' | 'series'> {
  const stored: Series[] = CHARTED.map((property) => {
    const { unit, parts } = UNITS[property];
    const scaled = (value: number | null) => (value === null ? null : value / parts);
    return { property, unit, values: readings.map(({ values }) => scaled(values[property])) };
  });
  const series = [...stored, temperatureDifference(readings)].filter(
    ({ values }, index) => index < 2 || values.some((value) => value !== null),
  );
  const kept = thin(
    readings.map(({ timeUs }) => timeUs),
    series.map(({ values }) => values),
    Math.floor(maxBytes / (TIME_BYTES + VALUE_BYTES * series.length)),
  );
  const pick = <T>(all: readonly T[]) => kept.flatMap((index) => all.slice(index, index + 1));
  return {
    timesUs: pick(readings).map(({ timeUs }) => timeUs),
    series: series.map((each) => ({ ...each, values: pick(each.values) })),
  };
}

/** The absolute difference: readings do not show which sensor is in the supply pipe. */
function temperatureDifference(readings: readonly ReportReading[]): Series {
  const { parts } = UNITS.local_temp;
  const values = readings.map(({ values: { local_temp: local, remote_temp: remote } }) =>
    local === null || remote === null ? null : Math.abs(local - remote) / parts,
  );
  return { property: 'delta_t', unit: 'K', values };
}

/** null: the valve has no such counter. */
function energy(
  regime: 1 | 2,
  all: readonly Bucket[],
  allPrevious: readonly Bucket[],
  counterKwh: number | null,
  { fromUs }: ReportSpan,
): RegimeEnergy | null {
  const buckets = all.filter((bucket) => bucket.regime === regime);
  const before = allPrevious.filter((bucket) => bucket.regime === regime).map(({ kwh }) => kwh);
  const previous = before.includes(null) ? null : sumDecimals(before);
  const total = sumDecimals(buckets.map(({ kwh }) => kwh));
  if (total === null && counterKwh === null) return null;
  return {
    regime,
    totalKwh: total,
    previousKwh: previous,
    bars: barsPayload(buckets, fromUs),
  };
}
