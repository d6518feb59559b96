/**
 * Stores the judge's results: the curves in tasmart_energy, and the events.
 *
 * A row of tasmart_energy holds running totals: n + 1 of them for n quarters of an hour. The first is the total when the day
 * begins, the others are the totals at the end of each quarter of an hour.
 */
import { formatRfc3339, US_PER_DAY, type Micros } from '../domain/time.ts';
import type { CounterEvent, Quality, QuarterHour, Regime } from '../energy/types.ts';
import { QUARTER_HOUR_US } from '../energy/buckets.ts';
import type { Database } from './connection.ts';

/** The judge's result for one counter. Null bounds: it was judged from scratch, and nothing of it is stored (any more). */
export interface CounterResult {
  tasmartId: string;
  regime: Regime;
  quarters: readonly QuarterHour[];
  replacesQuartersFromUs: Micros | null;
  events: readonly CounterEvent[];
  replacesEventsAfterUs: Micros | null;
}

/** Replaces the stored curves and events of counters. Call in the transaction that has locked their valves. */
export async function storeResults(database: Database, results: readonly CounterResult[]): Promise<void> {
  await storeQuarters(
    database,
    results.filter(({ quarters }) => quarters.length > 0),
  );
  await storeEvents(database, results);
}

/**
 * Deletes the curves of a valve after the day of an instant, and the events that end after the instant. Call before the
 * valve is judged again from there, in the same transaction: if another program has taken readings away, there may be
 * nothing to replace them.
 *
 * @param afterUs null: deletes all
 */
export async function forgetResults(database: Database, tasmartId: string, afterUs: Micros | null): Promise<void> {
  const after = afterUs === null ? '-infinity' : formatRfc3339(afterUs);
  await database.query(
    `delete from tasmart_energy where tasmart_id = $1 and day > ($2::timestamptz at time zone 'UTC')::date`,
    [tasmartId, after],
  );
  await database.query('delete from tasmart_counter_events where tasmart_id = $1 and ends > $2', [tasmartId, after]);
}

async function storeQuarters(database: Database, results: readonly CounterResult[]): Promise<void> {
  if (results.length === 0) return;
  const totals = await loadTotals(database, results);
  const days = results.flatMap((result) => splitByDay(result, totals.get(keyOf(result)) ?? null));
  await database.query(
    `insert into tasmart_energy (tasmart_id, regime, day, micro_kwh, covered_seconds, quality, flaws_before)
     select tasmart_id, regime, day,
       coalesce(old.micro_kwh[:kept_quarters], '{}') || part.micro_kwh,
       coalesce(old.covered_seconds[:kept_quarters], '{}') || part.covered_seconds,
       left(coalesce(old.quality, ''), kept_quarters) || part.quality,
       part.flaws_before
     from json_to_recordset($1::json) as part (
       tasmart_id text, regime smallint, day date, kept_quarters integer,
       micro_kwh bigint[], covered_seconds integer[], quality text, flaws_before integer[]
     )
     left join tasmart_energy as old using (tasmart_id, regime, day)
     on conflict (tasmart_id, regime, day) do update set
       micro_kwh = excluded.micro_kwh, covered_seconds = excluded.covered_seconds,
       quality = excluded.quality, flaws_before = excluded.flaws_before`,
    [JSON.stringify(days)],
  );
}

/** The stored running totals of a counter at an instant. */
interface Totals {
  microKwh: number;
  coveredSeconds: number;
  /** how many quarters of an hour before the instant are provisional, reset, jump, estimated */
  flaws: number[];
  /** how many of these lie before the day of the instant */
  flawsBeforeDay: number[];
}

const NO_TOTALS: Totals = { microKwh: 0, coveredSeconds: 0, flaws: [0, 0, 0, 0], flawsBeforeDay: [0, 0, 0, 0] };

/** In the order of tasmart_energy.flaws_before, and of `{p,r,j,e}` in SQL. */
const FLAWS = ['provisional', 'reset', 'jump', 'estimated'] as const;

const LETTERS = {
  missing: '-',
  provisional: 'p',
  reset: 'r',
  jump: 'j',
  estimated: 'e',
  measured: 'm',
} as const satisfies Record<Quality, string>;

function keyOf({ tasmartId, regime }: Pick<CounterResult, 'tasmartId' | 'regime'>): string {
  return `${tasmartId} ${regime}`;
}

/**
 * Loads the totals at the beginning of each result's first quarter of an hour. Counters without stored quarters have no entry:
 * those judged from scratch, or with one reading until now.
 * The days of a counter have no gaps: so the row is of that day, or of the day before if the day has no row yet.
 */
async function loadTotals(database: Database, results: readonly CounterResult[]): Promise<Map<string, Totals>> {
  const joined = results.filter(({ replacesQuartersFromUs }) => replacesQuartersFromUs !== null);
  const rows = await database.query<{
    tasmart_id: string;
    regime: Regime;
    micro_kwh: string;
    covered_seconds: number;
    flaws: number[];
    flaws_before_day: number[];
  }>(
    `select at.tasmart_id, at.regime, micro_kwh[quarters + 1] as micro_kwh, covered_seconds[quarters + 1] as covered_seconds,
       flaws, case when energy.day = at.day then flaws_before else flaws end as flaws_before_day
     from unnest($1::text[], $2::smallint[], $3::timestamp[], $3::date[]) as at (tasmart_id, regime, instant, day)
     cross join lateral (
       select * from tasmart_energy as energy
       where energy.tasmart_id = at.tasmart_id and energy.regime = at.regime and energy.day <= at.day
       order by day desc limit 1
     ) as energy
     cross join lateral (select (extract(epoch from instant - energy.day) / 900)::integer) as counted (quarters)
     cross join lateral (
       select array_agg(flaws_before[number] + tasmart_count(left(quality, quarters), letter) order by number)
       from unnest('{p,r,j,e}'::text[]) with ordinality as flaw (letter, number)
     ) as counted_flaws (flaws)`,
    [
      joined.map(({ tasmartId }) => tasmartId),
      joined.map(({ regime }) => regime),
      joined.map(({ quarters: [first] }) => formatRfc3339(first?.startUs ?? 0)),
    ],
  );
  return new Map(
    rows.map((row) => {
      const totals = {
        microKwh: Number(row.micro_kwh),
        coveredSeconds: row.covered_seconds,
        flaws: row.flaws,
        flawsBeforeDay: row.flaws_before_day,
      };
      return [keyOf({ tasmartId: row.tasmart_id, regime: row.regime }), totals];
    }),
  );
}

/** A row of tasmart_energy, or its later part: the first `kept_quarters` of the stored row stay. */
interface DayPart {
  tasmart_id: string;
  regime: Regime;
  day: string;
  kept_quarters: number;
  micro_kwh: number[];
  covered_seconds: number[];
  quality: string;
  flaws_before: number[];
}

/** @param stored the totals when the first quarter of an hour begins; null: it is the counter's first */
function splitByDay({ tasmartId, regime, quarters }: CounterResult, stored: Totals | null): DayPart[] {
  const days: DayPart[] = [];
  const totals = stored ?? NO_TOTALS;
  let { microKwh, coveredSeconds } = totals;
  const flaws = [...totals.flaws];
  for (const { startUs, ...quarter } of quarters) {
    const dayUs = Math.floor(startUs / US_PER_DAY) * US_PER_DAY;
    const number = (startUs - dayUs) / QUARTER_HOUR_US;
    let day = days.at(-1);
    if (day === undefined || number === 0) {
      const isFirst = day === undefined;
      day = {
        tasmart_id: tasmartId,
        regime,
        day: formatRfc3339(dayUs),
        kept_quarters: number,
        micro_kwh: [microKwh],
        covered_seconds: [coveredSeconds],
        quality: '',
        flaws_before: isFirst && number > 0 ? totals.flawsBeforeDay : [...flaws],
      };
      if (isFirst && stored === null) padBeforeFirst(day);
      days.push(day);
    }
    microKwh += quarter.microKwh ?? 0;
    coveredSeconds += quarter.coveredSeconds;
    day.micro_kwh.push(microKwh);
    day.covered_seconds.push(coveredSeconds);
    day.quality += LETTERS[quarter.quality];
    const flaw = FLAWS.findIndex((name) => name === quarter.quality);
    if (flaw >= 0) flaws[flaw] = (flaws[flaw] ?? 0) + 1;
  }
  return days;
}

/** Fills the day of the first reading with quarters of an hour that are `missing`. */
function padBeforeFirst(day: DayPart): void {
  const zeros = Array<number>(day.kept_quarters).fill(0);
  day.micro_kwh.unshift(...zeros);
  day.covered_seconds.unshift(...zeros);
  day.quality = LETTERS.missing.repeat(day.kept_quarters);
  day.kept_quarters = 0;
}

async function storeEvents(database: Database, results: readonly CounterResult[]): Promise<void> {
  await database.query(
    `delete from tasmart_counter_events as event
     using unnest($1::text[], $2::smallint[], $3::timestamptz[]) as counter (tasmart_id, regime, after)
     where event.tasmart_id = counter.tasmart_id and event.regime = counter.regime and event.ends > after`,
    [
      results.map(({ tasmartId }) => tasmartId),
      results.map(({ regime }) => regime),
      results.map(({ replacesEventsAfterUs: afterUs }) => (afterUs === null ? '-infinity' : formatRfc3339(afterUs))),
    ],
  );
  const events = results.flatMap(({ tasmartId, regime, events: some }) =>
    some.map((event) => ({
      tasmart_id: tasmartId,
      regime,
      kind: event.kind,
      starts: formatRfc3339(event.fromUs),
      ends: formatRfc3339(event.toUs),
      from_kwh: event.fromKwh,
      to_kwh: event.toKwh,
      stray_kwh: event.strayKwh,
      counted_kwh: event.countedMicroKwh === null ? null : event.countedMicroKwh / 1_000_000,
    })),
  );
  if (events.length === 0) return;
  await database.query(
    `insert into tasmart_counter_events
     select * from json_to_recordset($1::json) as event (
       tasmart_id text, regime smallint, kind text, starts timestamptz, ends timestamptz,
       from_kwh bigint, to_kwh bigint, stray_kwh bigint, counted_kwh numeric
     )`,
    [JSON.stringify(events)],
  );
}

/** The total of each counter in 10⁻⁶ kWh, as text. A key is `<tasmart_id> <regime>`. @throws DatabaseError */
export async function loadCurveTotals(database: Database): Promise<Map<string, string>> {
  const rows = await database.query<{ counter: string; micro_kwh: string }>(
    `select tasmart_id || ' ' || regime as counter, micro_kwh
     from tasmart_judgements
     cross join (values (1), (2)) as both_regimes (regime)
     cross join lateral (
       select micro_kwh[cardinality(micro_kwh)] as micro_kwh from tasmart_energy as energy
       where energy.tasmart_id = tasmart_judgements.tasmart_id and energy.regime = both_regimes.regime
       order by day desc limit 1
     ) as newest`,
  );
  return new Map(rows.map((row) => [row.counter, row.micro_kwh]));
}
