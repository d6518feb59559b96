/** What the page shows, as plain data. */
import type { StoredEvent } from '../../database/events.ts';
import type { ChartedProperty } from '../../database/report-readings.ts';
import type { RecordedRun } from '../../database/last-polls.ts';
import type { Micros, Span } from '../../domain/time.ts';
import type { Range } from './day-ranges.ts';
import type { BarsPayload } from './payload.ts';

/**
 * What the overview shows: the frame and a summary of each valve. Times are microseconds since the epoch; measured values are
 * in human units.
 */
export interface ReportData extends ReportFrame {
  valves: readonly ValveSummary[];
}

/** What is known before any valve is loaded. */
export interface ReportFrame {
  generatedUs: Micros;
  fromUs: Micros;
  toUs: Micros;
  /** the same local hours, whole days earlier, to compare consumption with; a clock change may alter its length */
  previous: Span;
  timezone: string;
  intervalMinutes: number;
  version: string;
  /** size of the stored energy bars; the page adds hours up to days */
  bucket: 'hour' | 'day';
  newestRun: RecordedRun | null;
  lastSuccess: RecordedRun | null;
  /** messages about targets that no run has found yet */
  unknownTargets: readonly string[];
  valveCount: number;
  /** from the oldest reading of all valves to the newest; null: there is none */
  stored: Span | null;
}

/** A valve as the overview shows it. */
export interface ValveSummary {
  id: string;
  /** the customer's name, or a serial; names that occur twice carry their serial */
  label: string;
  shortSn: string | null;
  fullSn: string | null;
  projectName: string | null;
  account: string | null;
  firmware: string | null;
  /** the register of our own backend that it is linked to */
  backendRef: string | null;
  /** as in `tasmart status`; null: a valve with readings that the registry does not know */
  state: 'ok' | 'silent' | 'behind' | 'left' | null;
  newestUs: Micros | null;
  ageUs: number | null;
  /** counters of the newest reading, kWh */
  counter1Kwh: number | null;
  counter2Kwh: number | null;
  /** error_status of the newest reading; null: not configured */
  errorStatus: readonly string[] | null;
  /** per local day: how many boundaries there are, and how many of them have a reading */
  days: readonly DayCompleteness[];
  energy: readonly RegimeEnergy[];
}

export type ReportEvent = Omit<StoredEvent, 'strayKwh'>;

/** A valve as its own section shows it. */
export interface ValveReport extends ValveSummary {
  /** spans of more than 1.5 intervals without a reading, cut to the report's span */
  gaps: readonly Span[];
  /** spans in which error_status held the same names */
  errors: readonly NamedSpan[];
  /** spans of readings without a measured value: the names of the values that are missing */
  withoutValues: readonly NamedSpan[];
  /** times of the readings that `thin` keeps for the charts, ascending */
  timesUs: readonly Micros[];
  /** flow and power first, then what else is stored */
  series: readonly Series[];
  /** counter events, in order of time */
  events: readonly ReportEvent[];
  /** null: no reading with both temperatures and a flow stands for any time */
  deltaT: DeltaT | null;
}

/** Consecutive readings with the same names. */
export type NamedSpan = Span & { names: readonly string[] };

export interface DayCompleteness {
  /** local midnight, or the report's start */
  startUs: Micros;
  /** 0: before the valve's first reading, or in the future */
  expected: number;
  present: number;
}

export interface Series {
  /** `delta_t`: the absolute difference between the two temperatures */
  property: ChartedProperty | 'delta_t';
  /** m³/h, kW, %, V, °C, K */
  unit: string;
  /** decimal places of HyCloud's values in this unit */
  places: number;
  /** one per time in `timesUs`; null: the valve sent none */
  values: readonly (number | null)[];
  /** one per day in `days`, over all readings, also those that the charts leave out; null: the day has no value */
  dayRanges: readonly (Range | null)[];
}

/** The difference between the two temperatures, while water flows. */
export interface DeltaT {
  /** weighted by flow, K */
  meanK: number;
  /** with a flow and both temperatures */
  hours: number;
  /** of these, the hours with less than `LOW_DELTA_T_K` */
  lowHours: number;
  /** the pipe that the supply temperature is measured in; null: the temperatures do not show it */
  supply: 'local' | 'remote' | null;
}

export interface RegimeEnergy {
  regime: 1 | 2;
  /** kWh of the buckets that have a curve; null: no bucket has one */
  totalKwh: number | null;
  /** kWh of the previous span; null: the curve begins after its first 15 minutes, so it cannot be compared */
  previousKwh: number | null;
  /** whether a reset, a jump or a replacement lies in the span */
  isLowerBound: boolean;
  /** the buckets, packed as in the page, to hold the hours of 1 000 valves at once */
  bars: BarsPayload;
}
