/** The stored kWh: what is still to be judged, where the judge goes on from, and what it has made of the readings. */
import { epochSeconds, formatRfc3339, US_PER_DAY, US_PER_MINUTE, type Micros } from '../domain/time.ts';
import { KnownError } from '../domain/errors.ts';
import type { Correction, CounterEvent, JudgeState, Limits, Quality, QuarterHour, Regime } from '../energy/types.ts';
import type { Database } from './connection.ts';
import { micros } from './repository.ts';

/** A valve with unjudged readings. This transaction has locked it, and answers for all of them. */
export interface ClaimedValve {
  tasmartId: string;
  /** the oldest unjudged reading */
  unjudgedSinceUs: Micros;
  /** the newest judged reading; null: none */
  judgedUntilUs: Micros | null;
  state: JudgeState;
}

/** A stored reading as the judge needs it. Counters in kWh, by regime; power in kW. */
export interface StoredReading {
  timeUs: Micros;
  powerKw: number | null;
  counters: Record<Regime, number | null>;
}

/** What the judge says of one counter. Null bounds replace everything that is stored of it. */
export interface CounterResult {
  tasmartId: string;
  regime: Regime;
  quarters: readonly QuarterHour[];
  replacesQuartersFromUs: Micros | null;
  events: readonly CounterEvent[];
  replacesEventsAfterUs: Micros | null;
}

const DW_PER_KW = 10_000;
const QUARTER_US = US_PER_DAY / 96;

/** Ids of all valves with unjudged readings. @throws DatabaseError */
export async function loadUnjudged(database: Database): Promise<string[]> {
  const rows = await database.query<{ tasmart_id: string }>(
    'select distinct tasmart_id from tasmart_unjudged order by tasmart_id',
  );
  return rows.map((row) => row.tasmart_id);
}

/**
 * Locks those of the valves that have unjudged readings, and takes their marks. A valve that another session judges at
 * present is left out: its marks stay for the next run. A part of a transaction.
 *
 * The marks are read after the lock is held. So what they stand for is either seen by this transaction, or its mark is
 * committed later and stays.
 */
export async function claimValves(database: Database, tasmartIds: readonly string[]): Promise<ClaimedValve[]> {
  await database.query(
    `insert into tasmart_judgements (tasmart_id)
     select distinct tasmart_id from tasmart_unjudged where tasmart_id = any ($1::text[]) order by tasmart_id
     on conflict do nothing`,
    [tasmartIds],
  );
  const locked = await database.query<{ tasmart_id: string; judged_us: string | null; state: JudgeState }>(
    `select tasmart_id, ${micros('judged_until')} as judged_us, state
     from tasmart_judgements as judgement
     where tasmart_id = any ($1::text[])
       and exists (select from tasmart_unjudged as mark where mark.tasmart_id = judgement.tasmart_id)
     order by tasmart_id for no key update skip locked`,
    [tasmartIds],
  );
  const marks = await database.query<{ tasmart_id: string; since_us: string }>(
    `with taken as (
       delete from tasmart_unjudged where tasmart_id = any ($1::text[]) returning tasmart_id, since
     )
     select tasmart_id, ${micros('min(since)')} as since_us from taken group by tasmart_id`,
    [locked.map((row) => row.tasmart_id)],
  );
  const since = new Map(marks.map((row) => [row.tasmart_id, Number(row.since_us)]));
  return locked.flatMap(({ tasmart_id: tasmartId, judged_us: judgedUs, state }) => {
    const unjudgedSinceUs = since.get(tasmartId);
    if (unjudgedSinceUs === undefined) return [];
    return [{ tasmartId, unjudgedSinceUs, judgedUntilUs: judgedUs === null ? null : Number(judgedUs), state }];
  });
}

/** Gives marks back: another transaction judges these valves. */
export async function markUnjudged(
  database: Database,
  valves: readonly { tasmartId: string; unjudgedSinceUs: Micros }[],
): Promise<void> {
  if (valves.length === 0) return;
  await database.query(
    `insert into tasmart_unjudged (tasmart_id, since) select * from unnest($1::text[], $2::timestamptz[])`,
    [valves.map(({ tasmartId }) => tasmartId), valves.map(({ unjudgedSinceUs }) => formatRfc3339(unjudgedSinceUs))],
  );
}

/** Readings in [fromUs, beforeUs) by valve, oldest first. */
export async function loadReadings(
  database: Database,
  spans: readonly { tasmartId: string; fromUs: Micros; beforeUs: Micros }[],
): Promise<Map<string, StoredReading[]>> {
  const rows = await database.query<{
    tasmart_id: string;
    time_us: string;
    measured_power: number | null;
    regime_1: string | null;
    regime_2: string | null;
  }>(
    `select span.tasmart_id, ${micros('"time"')} as time_us, measured_power,
       energy_counter_regime_1 as regime_1, energy_counter_regime_2 as regime_2
     from unnest($1::text[], $2::bigint[], $3::bigint[]) as span (tasmart_id, from_seconds, before_seconds)
     cross join lateral (
       select * from tasmart_data_table as reading
       where reading.tasmart_id = span.tasmart_id
         and "timestamp" >= from_seconds and "timestamp" < before_seconds
       order by "timestamp"
     ) as reading`,
    [
      spans.map(({ tasmartId }) => tasmartId),
      spans.map(({ fromUs }) => secondsOf(fromUs)),
      spans.map(({ beforeUs }) => secondsOf(beforeUs)),
    ],
  );
  const readings = new Map<string, StoredReading[]>(spans.map(({ tasmartId }) => [tasmartId, []]));
  for (const row of rows) {
    readings.get(row.tasmart_id)?.push({
      timeUs: Number(row.time_us),
      powerKw: row.measured_power === null ? null : row.measured_power / DW_PER_KW,
      counters: { 1: counterOf(row.regime_1), 2: counterOf(row.regime_2) },
    });
  }
  return readings;
}

/** A valve has at most one reading per second. Any bigint will do for an infinite bound. */
function secondsOf(timeUs: Micros): number {
  return epochSeconds(Math.min(Math.max(timeUs, -Number.MAX_SAFE_INTEGER), Number.MAX_SAFE_INTEGER));
}

/** A negative counter is not a reading of this counter. */
function counterOf(text: string | null): number | null {
  return text === null || text.startsWith('-') ? null : Number(text);
}

/** The time of a valve's oldest and newest reading. Null: it has none. */
export async function loadExtent(
  database: Database,
  tasmartId: string,
): Promise<{ fromUs: Micros; toUs: Micros } | null> {
  const [row] = await database.query<{ from_us: string | null; to_us: string | null }>(
    `select ${micros('oldest."time"')} as from_us, ${micros('newest."time"')} as to_us
     from (select "time" from tasmart_data_table where tasmart_id = $1 order by "timestamp" limit 1) as oldest,
          (select "time" from tasmart_data_table where tasmart_id = $1 order by "timestamp" desc limit 1) as newest`,
    [tasmartId],
  );
  return row ? { fromUs: Number(row.from_us), toUs: Number(row.to_us) } : null;
}

/** The corrections in force, by valve. */
export async function loadCorrectionsInForce(
  database: Database,
  tasmartIds: readonly string[],
): Promise<Map<string, Correction[]>> {
  const rows = await database.query<{ tasmart_id: string; kind: string; starts_us: string; ends_us: string | null }>(
    `select tasmart_id, kind, ${micros('starts')} as starts_us, ${micros('ends')} as ends_us
     from tasmart_corrections where undone_at is null and tasmart_id = any ($1::text[]) order by id`,
    [tasmartIds],
  );
  const corrections = new Map<string, Correction[]>();
  for (const { tasmart_id: id, kind, starts_us: startsUs, ends_us: endsUs } of rows) {
    const correction: Correction =
      kind === 'replaced'
        ? { kind, atUs: Number(startsUs) }
        : { kind: 'exclude', fromUs: Number(startsUs), toUs: Number(endsUs) };
    corrections.set(id, [...(corrections.get(id) ?? []), correction]);
  }
  return corrections;
}

/** States at the ends of months, oldest first. */
export async function loadCheckpoints(database: Database, tasmartId: string): Promise<JudgeState[]> {
  const rows = await database.query<{ state: JudgeState }>(
    'select state from tasmart_checkpoints where tasmart_id = $1 order by month',
    [tasmartId],
  );
  return rows.map(({ state }) => state);
}

/** Keeps states as those at the ends of their months. */
export async function storeCheckpoints(
  database: Database,
  checkpoints: readonly { tasmartId: string; newestUs: Micros; state: JudgeState }[],
): Promise<void> {
  if (checkpoints.length === 0) return;
  await database.query(
    `insert into tasmart_checkpoints (tasmart_id, month, state)
     select tasmart_id, date_trunc('month', newest), state
     from unnest($1::text[], $2::timestamp[], $3::jsonb[]) as checkpoint (tasmart_id, newest, state)
     on conflict (tasmart_id, month) do update set state = excluded.state`,
    [
      checkpoints.map(({ tasmartId }) => tasmartId),
      checkpoints.map(({ newestUs }) => formatRfc3339(newestUs)),
      checkpoints.map(({ state }) => JSON.stringify(state)),
    ],
  );
}

/** Forgets the checkpoints from the month of an instant on. */
export async function forgetCheckpoints(database: Database, tasmartId: string, fromUs: Micros): Promise<void> {
  await database.query(
    `delete from tasmart_checkpoints
     where tasmart_id = $1 and month >= date_trunc('month', $2::timestamptz at time zone 'UTC')`,
    [tasmartId, fromUs === -Infinity ? '-infinity' : formatRfc3339(fromUs)],
  );
}

export async function storeStates(
  database: Database,
  valves: readonly { tasmartId: string; judgedUntilUs: Micros; state: JudgeState }[],
): Promise<void> {
  await database.query(
    `update tasmart_judgements as judgement set judged_until = judged.judged_until, state = judged.state
     from unnest($1::text[], $2::timestamptz[], $3::jsonb[]) as judged (tasmart_id, judged_until, state)
     where judgement.tasmart_id = judged.tasmart_id`,
    [
      valves.map(({ tasmartId }) => tasmartId),
      valves.map(({ judgedUntilUs }) => formatRfc3339(judgedUntilUs)),
      valves.map(({ state }) => JSON.stringify(state)),
    ],
  );
}

/** Replaces the stored curves and events of counters. A part of the transaction that has locked their valves. */
export async function storeResults(database: Database, results: readonly CounterResult[]): Promise<void> {
  await deleteFromScratch(
    database,
    results.filter(({ replacesQuartersFromUs }) => replacesQuartersFromUs === null),
  );
  await storeQuarters(
    database,
    results.filter(({ quarters }) => quarters.length > 0),
  );
  await storeEvents(database, results);
}

async function deleteFromScratch(database: Database, results: readonly CounterResult[]): Promise<void> {
  if (results.length === 0) return;
  await database.query(
    `delete from tasmart_energy as energy using unnest($1::text[], $2::smallint[]) as counter (tasmart_id, regime)
     where energy.tasmart_id = counter.tasmart_id and energy.regime = counter.regime`,
    [results.map(({ tasmartId }) => tasmartId), results.map(({ regime }) => regime)],
  );
}

async function storeQuarters(database: Database, results: readonly CounterResult[]): Promise<void> {
  if (results.length === 0) return;
  const totals = await loadTotals(database, results);
  const days = results.flatMap((result) => daysOf(result, totals.get(keyOf(result)) ?? null));
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

/** The stored curve of a counter at an instant. */
interface Totals {
  microKwh: number;
  coveredSeconds: number;
  /** quarters of an hour until then that are provisional, reset, jump, estimated */
  flaws: number[];
  /** of these, what lies before the day of that instant */
  flawsBeforeDay: number[];
}

const NO_TOTALS: Totals = { microKwh: 0, coveredSeconds: 0, flaws: [0, 0, 0, 0], flawsBeforeDay: [0, 0, 0, 0] };
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

/** The totals where each result's first quarter of an hour begins, if its counter has a curve before. */
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

/** A row of tasmart_energy, or its end: the stored row keeps the first `kept_quarters`. */
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

/** @param stored the curve where the first quarter of an hour begins; null: it is the counter's first */
function daysOf({ tasmartId, regime, quarters }: CounterResult, stored: Totals | null): DayPart[] {
  const days: DayPart[] = [];
  const totals = stored ?? NO_TOTALS;
  let { microKwh, coveredSeconds } = totals;
  const flaws = [...totals.flaws];
  for (const { startUs, ...quarter } of quarters) {
    const dayUs = Math.floor(startUs / US_PER_DAY) * US_PER_DAY;
    const number = (startUs - dayUs) / QUARTER_US;
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

/** The day of the first reading begins with quarters of an hour that have no curve. */
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

/** The limits that judge, whatever the configuration says. The first ones to be stored stay. @throws DatabaseError */
export async function loadLimits(database: Database, configured: Limits): Promise<Limits> {
  const limits = await loadStoredLimits(database);
  if (limits) return limits;
  await database.query(
    'insert into tasmart_settings (max_power_kw, interval_minutes) values ($1, $2) on conflict do nothing',
    [configured.maxPowerKw, configured.intervalUs / US_PER_MINUTE],
  );
  return (await loadStoredLimits(database)) ?? configured;
}

/** The limits that judged what is stored. Null: nothing is judged yet. @throws DatabaseError */
export async function loadStoredLimits(database: Database): Promise<Limits | null> {
  const [row] = await database.query<{ max_power_kw: number; interval_minutes: number }>(
    'select max_power_kw, interval_minutes from tasmart_settings',
  );
  return row ? { maxPowerKw: row.max_power_kw, intervalUs: row.interval_minutes * US_PER_MINUTE } : null;
}

/** From now on these limits judge. All valves are judged again. A transaction. @throws DatabaseError */
export async function replaceLimits(database: Database, limits: Limits): Promise<void> {
  await database.transaction(async () => {
    await database.query('update tasmart_settings set max_power_kw = $1, interval_minutes = $2', [
      limits.maxPowerKw,
      limits.intervalUs / US_PER_MINUTE,
    ]);
    await forgetJudgements(database, null);
  });
}

/** What each counter has counted in all, in 10⁻⁶ kWh, as text. @throws DatabaseError */
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

/** Waits for whoever judges the valve, and keeps others from it until the transaction ends. */
export async function lockJudgement(database: Database, tasmartId: string): Promise<void> {
  await database.query('select from tasmart_judgements where tasmart_id = $1 for no key update', [tasmartId]);
}

/**
 * Marks all readings of a valve (null: of all valves) as unjudged. A part of a transaction.
 *
 * The update waits for whoever judges the valve at present. Checkpoints come second: that session may write them.
 *
 * @throws KnownError exit 78, where stored kWh were made of readings that are gone: they could not be made again
 */
export async function forgetJudgements(database: Database, tasmartId: string | null): Promise<void> {
  await database.query(
    `with forgotten as (
       update tasmart_judgements set judged_until = null, state = '{}'
       where $1::text is null or tasmart_id = $1
       returning tasmart_id
     )
     insert into tasmart_unjudged (tasmart_id, since) select tasmart_id, 'epoch' from forgotten`,
    [tasmartId],
  );
  await requireReadings(database, tasmartId);
  await database.query('delete from tasmart_checkpoints where $1::text is null or tasmart_id = $1', [tasmartId]);
}

/** Partitions may have been detached since their readings were judged. */
async function requireReadings(database: Database, tasmartId: string | null): Promise<void> {
  const [gone] = await database.query<{ valves: number; day: string | null }>(
    `select count(*)::integer as valves, min(day)::text as day
     from (
       select tasmart_id, min(day) as day from tasmart_energy
       where $1::text is null or tasmart_id = $1 group by tasmart_id
     ) as first
     where not exists (
       select from tasmart_data_table as reading
       where reading.tasmart_id = first.tasmart_id
         and "timestamp" < extract(epoch from (first.day + 1)::timestamp at time zone 'UTC')::bigint
     )`,
    [tasmartId],
  );
  if (!gone || gone.valves === 0) return;
  throw new KnownError('config', `${gone.valves} valves have kWh since ${gone.day ?? '?'} whose readings are gone`, {
    remedy: 'judging again would lose these kWh: attach the partitions again first',
  });
}

/** Whether the role may store what the judge says. A role for dashboards may not. @throws DatabaseError */
export async function mayJudge(database: Database): Promise<boolean> {
  const [row] = await database.query<{ allowed: boolean }>(
    `select has_table_privilege('tasmart_energy', 'insert') and has_table_privilege('tasmart_unjudged', 'delete') as allowed`,
  );
  return row?.allowed ?? false;
}
