/** Encodes the data of the charts. src/reporting/report/page/decode.ts decodes them. */
import type { CounterEvent, EnergyBucket } from '../../database/report.ts';
import { printable } from '../../domain/text.ts';
import { epochSeconds, type Micros, type Span } from '../../domain/time.ts';
import type { ReportFrame, Series, ValveReport } from './data.ts';
import { kwhText } from './energy.ts';
import { trusted, type Markup } from './markup.ts';
import { grouped } from './page/numbers.ts';
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
  return trusted(`<script type="application/json" id="${id}">${json}</script>`);
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
  const faults = events.filter(({ kind }) => kind !== 'gap');
  return {
    times: differences(timesUs.map(since)),
    gaps: thinMarks(gaps, span).map((gap) => [since(gap.fromUs), since(gap.toUs)] as const),
    errors: thinMarks(errors, span).map(({ names, ...at }) => [
      since(at.fromUs),
      since(at.toUs),
      printable(names.join(', '), 120),
    ]),
    withoutValues: thinMarks(withoutValues, span).map(({ fromUs, toUs }) => [since(fromUs), since(toUs)]),
    events: thinMarks(faults, span).map((event) => [
      since(event.fromUs),
      since(event.toUs),
      eventText(event),
      event.regime,
    ]),
    charts,
  };
}

/** `reset of regime 1, 163 064 → 12 kWh, 0.4 kWh counted` */
function eventText({ kind, regime, fromKwh, toKwh, countedKwh }: CounterEvent): string {
  return [
    `${kind} of regime ${regime}`,
    ...(fromKwh === null || toKwh === null ? [] : [`${grouped(String(fromKwh))} → ${grouped(String(toKwh))} kWh`]),
    ...(countedKwh === null ? [] : [`${kwhText(countedKwh)} kWh counted`]),
  ].join(', ');
}

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

/** Decimal places of HyCloud's values. */
const PLACES: Record<string, number> = { 'm³/h': 4, kW: 4, '%': 2, V: 1, '°C': 1, K: 1 };

function linePayload({ name, colour, series }: Line): LinePayload {
  const decimals = decimalsOf(series);
  return { name, colour, decimals, values: differences(scaled(series.values, decimals)) };
}

/** At most five digits for the greatest value, and at most the places of the unit. */
export function decimalsOf({ values, unit }: Series): number {
  const greatest = values.reduce<number>((most, value) => Math.max(most, Math.abs(value ?? 0)), 0);
  const wholeDigits = greatest < 1 ? 1 : Math.floor(Math.log10(greatest)) + 1;
  return Math.min(PLACES[unit] ?? 3, Math.max(0, 5 - wholeDigits));
}

export function barsPayload(regime: number, buckets: readonly EnergyBucket[], fromUs: Micros): BarsPayload {
  const edges = [...buckets.map((bucket) => bucket.fromUs), buckets.at(-1)?.toUs ?? fromUs].map(epochSeconds);
  const steps: [number, number][] = [];
  for (const step of differences(edges).slice(1)) {
    const last = steps.at(-1);
    if (last?.[0] === step) last[1]++;
    else steps.push([step, 1]);
  }
  return {
    kind: 'bars',
    regime,
    startS: (edges[0] ?? 0) - epochSeconds(fromUs),
    steps,
    wattHours: wattHours(buckets),
    qualities: runLengths(buckets.map(({ quality }) => QUALITIES[quality].letter)),
    covered: buckets.flatMap(({ coverage }, index) => {
      const percent = Math.floor(coverage * 100);
      return percent >= 100 ? [] : [[index, percent] as const];
    }),
  };
}

/** Whole Wh. Each rounding error is carried to the next bucket, so the sum is right. */
function wattHours(buckets: readonly EnergyBucket[]): (number | null)[] {
  let [sum, given] = [0, 0];
  return buckets.map(({ kwh }) => {
    if (kwh === null) return null;
    sum += kwh * 1000;
    const rounded = Math.max(0, Math.round(sum - given));
    given += rounded;
    return rounded;
  });
}

/** Run-length encoding, such as `m700e3m17`. */
function runLengths(letters: readonly string[]): string {
  const found: [string, number][] = [];
  for (const letter of letters) {
    const last = found.at(-1);
    if (last?.[0] === letter) last[1]++;
    else found.push([letter, 1]);
  }
  return found.flat().join('');
}

function scaled(values: readonly (number | null)[], decimals: number): (number | null)[] {
  return values.map((value) => (value === null ? null : Math.round(value * 10 ** decimals)));
}

/** Each value minus the value before, to keep the page small. Nulls are skipped. */
function differences(values: readonly number[]): number[];
function differences(values: readonly (number | null)[]): (number | null)[];
function differences(values: readonly (number | null)[]): (number | null)[] {
  let last = 0;
  return values.map((value) => {
    if (value === null) return null;
    const difference = value - last;
    last = value;
    return difference;
  });
}
