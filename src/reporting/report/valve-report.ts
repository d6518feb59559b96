/** Turns the stored data of a valve into the data of the page. */
import type { MeteredValve } from '../../database/consumption.ts';
import type { CounterEnergy, ValveFacts } from '../../database/report.ts';
import { forEachChartedProperty, type ChartedProperty, type ReportReadings } from '../../database/report-readings.ts';
import { US_PER_MINUTE, type Micros, type Span } from '../../domain/time.ts';
import { completenessByDay } from './completeness.ts';
import type { RegimeEnergy, ReportEvent, Series, ValveReport } from './data.ts';
import { dayRanges } from './day-ranges.ts';
import { barsPayload } from './embedded.ts';
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

/** What is the same for all valves. */
export interface FleetSpan extends ReportSpan {
  /** as `dayStarts` returns them */
  dayStartsUs: readonly Micros[];
  valveCount: number;
}

/** What is stored of one valve. */
export interface ValveRecord {
  valve: MeteredValve;
  label: string;
  facts: ValveFacts;
  state: ValveReport['state'];
  /** with the neighbours of the span */
  readings: ReportReadings;
  energy: readonly CounterEnergy[];
  events: readonly ReportEvent[];
}

/** In the order of the series. HyCloud sends integers: 10 ** `places` of them are one `unit`. */
const UNITS: Record<ChartedProperty, { unit: string; places: number }> = {
  measured_flow: { unit: 'm³/h', places: 4 },
  measured_power: { unit: 'kW', places: 4 },
  relative_flow: { unit: '%', places: 2 },
  relative_power: { unit: '%', places: 2 },
  position: { unit: '%', places: 2 },
  input_signal: { unit: 'V', places: 1 },
  local_temp: { unit: '°C', places: 1 },
  remote_temp: { unit: '°C', places: 1 },
};

const CHARTED = Object.keys(UNITS) as readonly ChartedProperty[];

/** The charts that are shown even without a value. */
const ALWAYS_CHARTED: readonly string[] = ['measured_flow', 'measured_power'];

/**
 * Limits of the charts' data in the page, per valve and in all. A page of 1 000 valves stays below 20 MB, and a month of a
 * single valve is complete.
 */
const CHART_BYTES = { perValve: 100_000, perPage: 8_000_000 };
/** Typical size of a time and of a value in embedded.ts. */
const TIME_BYTES = 5;
const VALUE_BYTES = 5;

export function valveReport(record: ValveRecord, span: FleetSpan): ValveReport {
  const { valve, label, facts, state, readings, events } = record;
  const { firstUs, newestUs, ageUs, counter1Kwh, counter2Kwh, errorStatus, projectName, account, firmware } = facts;
  const { id, shortSn, fullSn, backendRef } = valve;
  const intervalUs = span.intervalMinutes * US_PER_MINUTE;
  // Readings of the future are not missing.
  const past = { fromUs: span.fromUs, toUs: Math.min(span.toUs, span.nowUs), intervalUs };
  const { timesUs } = readings;
  const inSpan = withoutNeighbours(readings, span);
  const errors = readings.errorStatus.map((names) => names ?? []);
  return {
    ...{ id, label, shortSn, fullSn, projectName, account, firmware, backendRef },
    ...{ state, newestUs, ageUs, counter1Kwh, counter2Kwh, errorStatus },
    days: completenessByDay(timesUs, { ...span, firstUs, intervalUs }),
    gaps: gaps(timesUs, past),
    errors: namedSpans(timesUs, errors, past),
    withoutValues: namedSpans(timesUs, missingValues(readings), past),
    ...chartedSeries(inSpan, span),
    energy: record.energy.flatMap((counter) => regimeEnergy(counter, record, span) ?? []),
    events,
    deltaT: deltaT(inSpan, past),
  };
}

/** The readings in the span. */
function withoutNeighbours({ timesUs, errorStatus, values }: ReportReadings, { fromUs, toUs }: Span): ReportReadings {
  const firstInSpan = timesUs.findIndex((timeUs) => timeUs >= fromUs);
  const start = firstInSpan < 0 ? timesUs.length : firstInSpan;
  const end = timesUs.findLastIndex((timeUs) => timeUs <= toUs) + 1;
  return {
    timesUs: timesUs.slice(start, end),
    errorStatus: errorStatus.slice(start, end),
    values: forEachChartedProperty((property) => values[property].slice(start, end)),
  };
}

/** For each reading, the names of the values that it should have. Flow and power are always asked for. */
function missingValues({ timesUs, values }: ReportReadings): string[][] {
  return timesUs.map((_, index) => [
    ...(values.measured_flow[index] === null ? ['flow'] : []),
    ...(values.measured_power[index] === null ? ['power'] : []),
  ]);
}

/** Flow, power, and the other values that the valve sent, thinned to the limits of `CHART_BYTES`. */
function chartedSeries(
  { timesUs, values }: ReportReadings,
  { valveCount, dayStartsUs }: FleetSpan,
): Pick<ValveReport, 'timesUs' | 'series'> {
  const stored = CHARTED.map((property) => ({ property, ...UNITS[property], column: values[property] }));
  const series = [...stored, temperatureDifference(values)]
    .filter(({ property, column }) => ALWAYS_CHARTED.includes(property) || column.some((value) => value !== null))
    .map(({ property, unit, places, column }): Series => {
      const inUnit = column.map((value) => (value === null ? null : value / 10 ** places));
      return { property, unit, places, values: inUnit, dayRanges: dayRanges(timesUs, inUnit, dayStartsUs) };
    });
  const maxBytes = Math.min(CHART_BYTES.perValve, CHART_BYTES.perPage / valveCount);
  const kept = thin(
    timesUs,
    series.map(({ values }) => values),
    Math.floor(maxBytes / (TIME_BYTES + VALUE_BYTES * series.length)),
  );
  return {
    timesUs: kept.map((index) => timesUs[index] ?? 0),
    series: series.map((whole) => ({ ...whole, values: kept.map((index) => whole.values[index] ?? null) })),
  };
}

/** The absolute difference: readings do not show which sensor is in the supply pipe. */
function temperatureDifference({ local_temp, remote_temp }: ReportReadings['values']) {
  const column = local_temp.map((local, index) => {
    const remote = remote_temp[index] ?? null;
    return local === null || remote === null ? null : Math.abs(local - remote);
  });
  return { property: 'delta_t' as const, unit: 'K', places: UNITS.local_temp.places, column };
}

/** Across these events, the kWh are at least what is counted. */
const BREAKS: readonly ReportEvent['kind'][] = ['reset', 'jump', 'replaced'];

/** null: the valve has no such counter. */
function regimeEnergy(
  counter: CounterEnergy,
  { facts, events }: ValveRecord,
  { fromUs }: ReportSpan,
): RegimeEnergy | null {
  const { regime, totalKwh, previousKwh, buckets } = counter;
  const counterKwh = regime === 1 ? facts.counter1Kwh : facts.counter2Kwh;
  if (totalKwh === null && counterKwh === null) return null;
  const isLowerBound = events.some((event) => event.regime === regime && BREAKS.includes(event.kind));
  return { regime, totalKwh, previousKwh, isLowerBound, bars: barsPayload(regime, buckets, fromUs) };
}
