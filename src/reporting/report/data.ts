import type { Charted, CounterEvent } from '../../database/report.ts';
import type { RecordedRun } from '../../database/runs.ts';
import type { Micros, Span } from '../../domain/time.ts';
import type { BarsPayload } from './payload.ts';

/** Everything the page shows. Times are microseconds since the epoch; measured values are in human units. */
export interface ReportData {
  generatedUs: Micros;
  fromUs: Micros;
  toUs: Micros;
  /** the span that the consumption is compared with: as long, whole days earlier */
  previous: Span;
  timezone: string;
  intervalMinutes: number;
  version: string;
  /** size of the stored energy bars; the page adds hours up to days */
  bucket: 'hour' | 'day';
  newestRun: RecordedRun | null;
  lastSuccess: RecordedRun | null;
  /** targets that no run has found yet, in words */
  unknown: readonly string[];
  valves: readonly ValveReport[];
}

export interface ValveReport {
  id: string;
  /** what people call it: the customer's name, or a serial */
  label: string;
  shortSn: string | null;
  fullSn: string | null;
  projectName: string | null;
  firmware: string | null;
  /** the register of our own backend that it is linked to */
  backendRef: string | null;
  /** as `tasmart status` means it; null: a valve with readings that the registry does not know */
  state: 'ok' | 'silent' | 'behind' | 'left' | null;
  newestUs: Micros | null;
  ageUs: number | null;
  /** counters of the newest reading, kWh */
  counter1Kwh: number | null;
  counter2Kwh: number | null;
  /** error_status of the newest reading; null: not configured */
  errorStatus: readonly string[] | null;
  /** boundaries of the interval grid per local day: those the valve should have, and those it has a reading for */
  days: readonly DayCompleteness[];
  /** spans of more than one and a half intervals without a reading, cut to the report's span */
  gaps: readonly Span[];
  /** spans in which error_status held the same names */
  errors: readonly (Span & { names: readonly string[] })[];
  /** times of the readings kept for the charts, ascending: for every pixel or so the least and greatest of each series */
  timesUs: readonly Micros[];
  /** a value per time; null: none was sent. Flow and power first, then what else is stored */
  series: readonly Series[];
  energy: readonly RegisterEnergy[];
  /** what keeps a counter from being read as it stands, in order of time */
  events: readonly CounterEvent[];
}

export interface DayCompleteness {
  /** local midnight, or the report's start */
  startUs: Micros;
  /** 0: before the valve's first reading, or to come */
  expected: number;
  present: number;
}

export interface Series {
  /** `delta_t`: the difference between the two temperatures */
  property: Charted | 'delta_t';
  /** m³/h, kW, %, V, °C, K */
  unit: string;
  values: readonly (number | null)[];
}

export interface RegisterEnergy {
  regime: 1 | 2;
  /** sum of the buckets that have a curve, kWh; null: none has */
  totalKwh: number | null;
  /** the same of the previous span; null: some of it has no curve, so that it cannot be compared */
  previousKwh: number | null;
  /** the buckets, packed as the page gets them: a thousand valves' hours are held at once */
  bars: BarsPayload;
}
