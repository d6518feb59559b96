/** The types of the data that the page's script reads. embedded.ts encodes them, page/decode.ts decodes them. */
import type { ZoneOffsets } from './page/local-time.ts';

/** All data are encoded to be small, because reports are sent by mail. Times are seconds since 1970. */
export interface ReportPayload {
  fromS: number;
  toS: number;
  intervalS: number;
  offsets: ZoneOffsets;
}

/** One valve; times are seconds since the report's `fromS`. */
export interface ValvePayload {
  /** each as the difference to the time before */
  times: readonly number[];
  gaps: readonly (readonly [fromS: number, toS: number])[];
  errors: readonly (readonly [fromS: number, toS: number, names: string])[];
  /** readings without flow or power */
  withoutValues: readonly (readonly [fromS: number, toS: number])[];
  /** counter events, in words */
  events: readonly (readonly [fromS: number, toS: number, text: string, regime: number])[];
  /** in the order of the figures */
  charts: readonly (LinesPayload | BarsPayload)[];
}

export interface LinesPayload {
  kind: 'lines';
  unit: string;
  /** the axis begins at 0 */
  isFromZero: boolean;
  lines: readonly LinePayload[];
}

export interface LinePayload {
  name: string;
  /** a custom property of page/colours.css */
  colour: string;
  decimals: number;
  /** one value per time, times 10^decimals, each as the difference to the last value that is not null */
  values: readonly (number | null)[];
}

export interface BarsPayload {
  kind: 'bars';
  regime: number;
  /** the start of the first bucket, in seconds since the report's `fromS` */
  startS: number;
  /** the lengths of the buckets, run-length encoded */
  steps: readonly (readonly [stepS: number, times: number])[];
  wattHours: readonly (number | null)[];
  /** letters of page/quality.ts, each with the number of buckets in a row that have it: `m700e3m17` */
  qualities: string;
  /** buckets with a coverage below 100 % */
  covered: readonly (readonly [index: number, percent: number])[];
}
