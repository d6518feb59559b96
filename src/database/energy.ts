/**
 * Stores the judge's results: the curves in tasmart_energy, and the events (events.ts).
 *
 * A row of tasmart_energy holds running totals: n + 1 of them for n quarters of an hour. The first is the total when the day
 * begins, the others are the totals at the end of each quarter of an hour.
 */
import { KnownError } from '../domain/errors.ts';
import { formatRfc3339, US_PER_DAY, type Micros } from '../domain/time.ts';
import { QUARTER_HOUR_US, type Quality, type QuarterHour, type Regime } from '../domain/energy.ts';
import type { Database } from './connection.ts';
import { storeEvents, type CounterEvents } from './events.ts';

/**
 * The judge's result for one counter; see Judgement in energy/judge.ts. Null bounds: it was judged from scratch. Then nothing
 * of it may be stored any more: see cutCurves.
 */
export interface CounterResult extends CounterEvents {
  quarters: readonly QuarterHour[];
  /** the start of the first of `quarters`, or of what they replace if there are none; null: from scratch */
  replacesQuartersFromUs: Micros | null;
}

/** Replaces the stored curves and events of counters. Call in the transaction that has locked their valves. */
export async function storeResults(database: Database, results: readonly CounterResult[]): Promise<void> {
  const withQuarters = results.filter(({ quarters }) => quarters.length > 0);
  if (withQuarters.length > 0) await storeQuarters(database, withQuarters);
  await storeEvents(database, results);
}

/**
 * Deletes the stored quarters of an hour that the results replace. Call before `storeResults` where curves are judged again: a
 * new curve may end earlier than the stored one, because a correction or another program took readings back.
 */
export async function cutCurves(database: Database, results: readonly CounterResult[]): Promise<void> {
  const cuts = results.map(({ tasmartId: tasmart_id, regime, replacesQuartersFromUs: fromUs }) => {
    if (fromUs === null) return { tasmart_id, regime, day: '-infinity', quarters: 0 };
    const dayUs = Math.floor(fromUs / US_PER_DAY) * US_PER_DAY;
    return { tasmart_id, regime, day: formatRfc3339(dayUs), quarters: (fromUs - dayUs) / QUARTER_HOUR_US };
  });
  const counters = `json_to_recordset($1::json) as cut (tasmart_id text, regime smallint, day date, quarters integer)
     where energy.tasmart_id = cut.tasmart_id and energy.regime = cut.regime`;
  await database.query(
    `delete from tasmart_energy as energy using ${counters}
       and (energy.day > cut.day or energy.day = cut.day and ltrim(left(quality, quarters), $2) = '')`,
    [JSON.stringify(cuts), LETTERS.missing],
  );
  await database.query(
    `update tasmart_energy as energy set
       micro_kwh = micro_kwh[:quarters + 1], covered_seconds = covered_seconds[:quarters + 1], quality = left(quality, quarters)
     from ${counters} and energy.day = cut.day and length(quality) > quarters`,
    [JSON.stringify(cuts)],
  );
}

async function storeQuarters(database: Database, results: readonly CounterResult[]): Promise<void> {
  const totals = await loadTotals(database, results);
  const days = results.flatMap((result) => splitByDay(result, totals.get(counterKey(result)) ?? null));
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

/** In the order of tasmart_energy.flaws_before, as in tasmart_flaws_between (sql/definitions/consumption.sql). */
const FLAWS = ['provisional', 'reset', 'jump', 'estimated'] as const;

/** Of tasmart_energy.quality. sql/definitions/consumption.sql and energy.sql read them. */
const LETTERS = {
  missing: '-',
  provisional: 'p',
  reset: 'r',
  jump: 'j',
  estimated: 'e',
  measured: 'm',
} as const satisfies Record<Quality, string>;

const FLAW_LETTERS = FLAWS.map((flaw) => LETTERS[flaw]);

/** Identifies a counter in a Map. */
export function counterKey({ tasmartId, regime }: Pick<CounterResult, 'tasmartId' | 'regime'>): string {
  return `${tasmartId} ${regime}`;
}

/**
 * Loads the totals at the beginning of each result's first quarter of an hour. Counters without stored quarters have no entry:
 * those judged from scratch, or with one reading until now. The days of a counter have no gaps: so the row is of that day, or
 * of the day before if the day has no row yet.
 */
async function loadTotals(database: Database, results: readonly CounterResult[]): Promise<Map<string, Totals>> {
  const starts = results.flatMap(({ tasmartId, regime, replacesQuartersFromUs: startUs }) =>
    startUs === null ? [] : [{ tasmartId, regime, startUs }],
  );
  const rows = await database.query<{
    tasmart_id: string;
    regime: Regime;
    micro_kwh: number | null;
    covered_seconds: number;
    flaws: number[];
    flaws_before_day: number[];
  }>(
    `select wanted.tasmart_id, wanted.regime,
       micro_kwh[quarters + 1] as micro_kwh, covered_seconds[quarters + 1] as covered_seconds,
       flaws, case when energy.day = wanted.day then flaws_before else flaws end as flaws_before_day
     from unnest($1::text[], $2::smallint[], $3::timestamp[], $3::date[]) as wanted (tasmart_id, regime, instant, day)
     cross join lateral (
       select * from tasmart_energy as energy
       where energy.tasmart_id = wanted.tasmart_id and energy.regime = wanted.regime and energy.day <= wanted.day
       order by day desc limit 1
     ) as energy
     cross join lateral (select (extract(epoch from instant - energy.day) / 900)::integer) as elapsed (quarters)
     cross join lateral (
       select array_agg(flaws_before[number] + tasmart_count(left(quality, quarters), letter) order by number)
       from unnest($4::text[]) with ordinality as flaw (letter, number)
     ) as counted (flaws)`,
    [
      starts.map(({ tasmartId }) => tasmartId),
      starts.map(({ regime }) => regime),
      starts.map(({ startUs }) => formatRfc3339(startUs)),
      FLAW_LETTERS,
    ],
  );
  const totals = new Map<string, Totals>();
  for (const row of rows) {
    if (row.micro_kwh === null) {
      throw new KnownError('config', `the stored kWh of valve ${row.tasmart_id} have a gap`, {
        remedy: 'run "tasmart rejudge"',
      });
    }
    totals.set(counterKey({ tasmartId: row.tasmart_id, regime: row.regime }), {
      microKwh: row.micro_kwh,
      coveredSeconds: row.covered_seconds,
      flaws: row.flaws,
      flawsBeforeDay: row.flaws_before_day,
    });
  }
  return totals;
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

/**
 * The rows of tasmart_energy that hold these quarters of an hour.
 *
 * @param stored the totals when the first quarter of an hour begins; null: it is the counter's first
 */
function splitByDay({ tasmartId, regime, quarters }: CounterResult, stored: Totals | null): DayPart[] {
  const days: DayPart[] = [];
  const atStart = stored ?? NO_TOTALS;
  let { microKwh, coveredSeconds } = atStart;
  const flaws = [...atStart.flaws];
  for (const { startUs, ...quarter } of quarters) {
    const dayUs = Math.floor(startUs / US_PER_DAY) * US_PER_DAY;
    const quartersBefore = (startUs - dayUs) / QUARTER_HOUR_US;
    let day = days.at(-1);
    if (day === undefined || quartersBefore === 0) {
      const isFirst = day === undefined;
      day = {
        tasmart_id: tasmartId,
        regime,
        day: formatRfc3339(dayUs),
        kept_quarters: quartersBefore,
        micro_kwh: [microKwh],
        covered_seconds: [coveredSeconds],
        quality: '',
        flaws_before: isFirst ? atStart.flawsBeforeDay : [...flaws],
      };
      if (isFirst && stored === null) padBeforeFirst(day);
      days.push(day);
    }
    microKwh += quarter.microKwh;
    coveredSeconds += quarter.coveredSeconds;
    day.micro_kwh.push(microKwh);
    day.covered_seconds.push(coveredSeconds);
    day.quality += LETTERS[quarter.quality];
    const flawIndex = FLAWS.findIndex((flaw) => flaw === quarter.quality);
    if (flawIndex >= 0) flaws[flawIndex] = (flaws[flawIndex] ?? 0) + 1;
  }
  return days;
}

/** Fills the day of a counter's first reading with quarters of an hour that are `missing`, up to that reading. */
function padBeforeFirst(day: DayPart): void {
  const zeros = Array<number>(day.kept_quarters).fill(0);
  day.micro_kwh.unshift(...zeros);
  day.covered_seconds.unshift(...zeros);
  day.quality = LETTERS.missing.repeat(day.kept_quarters);
  day.kept_quarters = 0;
}

/** The total of each counter in 10⁻⁶ kWh, by `counterKey`. @throws DatabaseError */
export async function loadCurveTotals(database: Database): Promise<Map<string, number>> {
  const rows = await database.query<{ tasmart_id: string; regime: Regime; micro_kwh: number }>(
    `select tasmart_id, regime, micro_kwh
     from tasmart_judgements as judgement
     cross join (values (1), (2)) as both_regimes (regime)
     cross join lateral (
       select micro_kwh[cardinality(micro_kwh)] as micro_kwh from tasmart_energy as energy
       where energy.tasmart_id = judgement.tasmart_id and energy.regime = both_regimes.regime
       order by day desc limit 1
     ) as newest`,
  );
  return new Map(rows.map((row) => [counterKey({ tasmartId: row.tasmart_id, regime: row.regime }), row.micro_kwh]));
}
