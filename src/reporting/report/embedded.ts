/** Encodes the data of the charts. page/decode.ts decodes them, page/main.ts and page/valve-charts.ts read the blocks. */
import type { EnergyBucket } from '../../database/report.ts';
import { escapeAndCut } from '../../domain/text.ts';
import { epochSeconds, type Micros, type Span } from '../../domain/time.ts';
import type { ReportEvent, ReportFrame, Series, ValveReport } from './data.ts';
import { kwhText } from './energy.ts';
import { trustHtml, type Markup } from './markup.ts';
import { groupThousands } from './page/numbers.ts';
import type { ZoneOffsets } from './page/local-time.ts';
import { QUALITIES } from './page/quality.ts';
import { thinMarks } from './thin.ts';
import type { BarsPayload, LinePayload, LinesPayload, ReportPayload, ValvePayload } from './payload.ts';

/** JSON for the page's script, in a block that the browser does not run. `<` is escaped, so no text can end the block. */
export function embeddedJson(id: string, value: object): Markup {
  const json = JSON.stringify(value).replace(
    /[<\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return trustHtml(`<script type="application/json" id="${id}">${json}</script>`);
}

export function reportPayload({ fromUs, toUs, intervalMinutes }: ReportFrame, offsets: ZoneOffsets): ReportPayload {
  return { fromS: epochSeconds(fromUs), toS: epochSeconds(toUs), intervalS: intervalMinutes * 60, offsets };
}

export function valvePayload(
  { timesUs, gaps, errors, withoutValues, events }: ValveReport,
  span: Span,
  charts: ValvePayload['charts'],
): ValvePayload {
  const since = (timeUs: Micros): number => epochSeconds(timeUs) - epochSeconds(span.fromUs);
  // Gaps have marks of their own.
  const markedEvents = ([1, 2] as const).flatMap((regime) =>
    thinMarks(
      events.filter((event) => event.regime === regime && event.kind !== 'gap'),
      span,
    ),
  );
  return {
    times: differences(timesUs.map(since)),
    // All of them: lines break at gaps.
    gaps: gaps.map((gap) => [since(gap.fromUs), since(gap.toUs)] as const),
    errors: thinMarks(errors, span).map(({ fromUs, toUs, names }) => [
      since(fromUs),
      since(toUs),
      escapeAndCut(names.join(', '), 120),
    ]),
    withoutValues: thinMarks(withoutValues, span).map(({ fromUs, toUs }) => [since(fromUs), since(toUs)]),
    events: markedEvents.map((event) => [since(event.fromUs), since(event.toUs), eventText(event), event.regime]),
    charts,
  };
}

/** `reset of regime 1, 163 064 → 12 kWh, 0.4 kWh counted` */
function eventText({ kind, regime, fromKwh, toKwh, countedKwh }: ReportEvent): string {
  return [
    `${kind} of regime ${regime}`,
    `${groupThousands(fromKwh)} → ${groupThousands(toKwh)} kWh`,
    `${kwhText(countedKwh)} kWh counted`,
  ].join(', ');
}

/** A line of a chart. */
export interface Line {
  name: string;
  /** the name in the chart's key */
  key: string;
  colour: string;
  series: Series;
}

export function linesPayload(unit: string, isFromZero: boolean, lines: readonly Line[]): LinesPayload {
  return { kind: 'lines', unit, isFromZero, lines: lines.map(linePayload) };
}

function linePayload({ name, colour, series }: Line): LinePayload {
  const decimals = decimalsOf(series);
  return { name, colour, decimals, values: differences(toIntegers(series.values, decimals)) };
}

/** The decimal places to show: at most five digits for the greatest value, and at most the places of HyCloud. */
export function decimalsOf({ values, places }: Series): number {
  const greatest = values.reduce<number>((most, value) => Math.max(most, Math.abs(value ?? 0)), 0);
  const wholeDigits = greatest < 1 ? 1 : Math.floor(Math.log10(greatest)) + 1;
  return Math.min(places, Math.max(0, 5 - wholeDigits));
}

/** @param fromUs the report's start */
export function barsPayload(regime: number, buckets: readonly EnergyBucket[], fromUs: Micros): BarsPayload {
  const edges = [...buckets.map((bucket) => bucket.fromUs), buckets.at(-1)?.toUs ?? fromUs].map(epochSeconds);
  const lengths = differences(edges).slice(1);
  const letters = buckets.map(({ quality }) => QUALITIES[quality].letter);
  return {
    kind: 'bars',
    regime,
    startS: (edges[0] ?? 0) - epochSeconds(fromUs),
    steps: runLengths(lengths),
    wattHours: wattHours(buckets),
    qualities: runLengths(letters).flat().join(''),
    covered: buckets.flatMap(({ coverage }, index) => {
      const percent = Math.floor(coverage * 100);
      return percent >= 100 ? [] : [[index, percent] as const];
    }),
  };
}

/** Whole Wh. Each rounding error is carried to the next bucket, so the sum is right. */
function wattHours(buckets: readonly EnergyBucket[]): (number | null)[] {
  let [exactSum, roundedSum] = [0, 0];
  return buckets.map(({ kwh }) => {
    if (kwh === null) return null;
    exactSum += kwh * 1000;
    // Not below 0: the buckets before may have been rounded up.
    const rounded = Math.max(0, Math.round(exactSum - roundedSum));
    roundedSum += rounded;
    return rounded;
  });
}

/** Run-length encoding: each value with the number of times that it occurs in a row. */
function runLengths<T>(values: readonly T[]): [value: T, times: number][] {
  const runs: [T, number][] = [];
  for (const value of values) {
    const last = runs.at(-1);
    if (last?.[0] === value) last[1]++;
    else runs.push([value, 1]);
  }
  return runs;
}

function toIntegers(values: readonly (number | null)[], decimals: number): (number | null)[] {
  return values.map((value) => (value === null ? null : Math.round(value * 10 ** decimals)));
}

/** Each value minus the value before, to keep the page small. Nulls are skipped. */
function differences(values: readonly number[]): number[];
function differences(values: readonly (number | null)[]): (number | null)[];
function differences(values: readonly (number | null)[]): (number | null)[] {
  let before = 0;
  return values.map((value) => {
    if (value === null) return null;
    const difference = value - before;
    before = value;
    return difference;
  });
}
