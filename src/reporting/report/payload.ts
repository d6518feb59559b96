import type { ZoneOffsets } from './page/local-time.ts';

/** What the page's script reads: seconds, and numbers packed tight, for a hundred valves go by mail. */
export interface ReportPayload {
  fromS: number;
  toS: number;
  intervalS: number;
  offsets: ZoneOffsets;
}

/** One valve; times are seconds since the report's `fromS`. */
export interface ValvePayload {
  /** each as the difference to the one before */
  times: readonly number[];
  gaps: readonly (readonly [fromS: number, toS: number])[];
  errors: readonly (readonly [fromS: number, toS: number, names: string])[];
  /** what keeps a counter from being read as it stands */
  events: readonly (readonly [fromS: number, toS: number, kind: string])[];
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
  /** a custom property of the style sheet */
  colour: string;
  decimals: number;
  /** a value per time, times 10^decimals, each as the difference to the last one that is not null */
  values: readonly (number | null)[];
}

export interface BarsPayload {
  kind: 'bars';
  /** edges of the buckets: the first, and how far the following are apart */
  startS: number;
  steps: readonly (readonly [stepS: number, times: number])[];
  wattHours: readonly (number | null)[];
  /** a letter and how many buckets have it, again and again */
  qualities: string;
  /** buckets that are not covered whole */
  covered: readonly (readonly [index: number, percent: number])[];
}
