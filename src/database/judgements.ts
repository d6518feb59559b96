/** The judge's bookkeeping: which valves are unjudged, where the judge goes on from, and its limits. */
import { formatRfc3339, US_PER_MINUTE, type Micros } from '../domain/time.ts';
import type { JudgeState, Limits } from '../domain/energy.ts';
import type { Database } from './connection.ts';
import { micros } from './repository.ts';
import { requireReadings } from './retired-readings.ts';

/** A valve with unjudged readings. This transaction has locked it and deleted its marks in tasmart_unjudged. */
export interface ClaimedValve {
  tasmartId: string;
  /** the oldest unjudged reading */
  unjudgedSinceUs: Micros;
  /** the newest judged reading; null: none */
  judgedUntilUs: Micros | null;
  state: JudgeState;
}

/** Whether a valve has unjudged readings. @throws DatabaseError */
export async function isUnjudged(database: Database, tasmartId: string): Promise<boolean> {
  return (await database.query('select from tasmart_unjudged where tasmart_id = $1 limit 1', [tasmartId])).length > 0;
}

/** Ids of all valves with unjudged readings. @throws DatabaseError */
export async function loadUnjudged(database: Database): Promise<string[]> {
  const rows = await database.query<{ tasmart_id: string }>(
    'select distinct tasmart_id from tasmart_unjudged order by tasmart_id',
  );
  return rows.map((row) => row.tasmart_id);
}

/**
 * Locks the valves that have unjudged readings, and deletes their marks. Call in a transaction. Skips a valve that another
 * session is judging: its marks stay for the next run.
 *
 * Delete the marks only after the lock is held. Then this transaction sees the readings of every mark that it deletes. A
 * mark that is committed later stays.
 */
export async function claimValves(database: Database, tasmartIds: readonly string[]): Promise<ClaimedValve[]> {
  await database.query(
    // Insert only valves without a row: an insert would wait for a session that has locked the row.
    `insert into tasmart_judgements (tasmart_id)
     select distinct tasmart_id from tasmart_unjudged as mark
     where tasmart_id = any ($1::text[])
       and not exists (select from tasmart_judgements as judgement where judgement.tasmart_id = mark.tasmart_id)
     order by tasmart_id
     on conflict do nothing`,
    [tasmartIds],
  );
  const locked = await database.query<{ tasmart_id: string; judged_us: number | null; state: JudgeState }>(
    `select tasmart_id, ${micros('judged_until')} as judged_us, state
     from tasmart_judgements as judgement
     where tasmart_id = any ($1::text[])
       and exists (select from tasmart_unjudged as mark where mark.tasmart_id = judgement.tasmart_id)
     order by tasmart_id for no key update skip locked`,
    [tasmartIds],
  );
  const marks = await database.query<{ tasmart_id: string; since_us: number }>(
    `with deleted as (
       delete from tasmart_unjudged where tasmart_id = any ($1::text[]) returning tasmart_id, since
     )
     select tasmart_id, ${micros('min(since)')} as since_us from deleted group by tasmart_id`,
    [locked.map((row) => row.tasmart_id)],
  );
  const sinceUs = new Map(marks.map((row) => [row.tasmart_id, row.since_us]));
  const claimed: ClaimedValve[] = [];
  for (const { tasmart_id: tasmartId, judged_us: judgedUntilUs, state } of locked) {
    const unjudgedSinceUs = sinceUs.get(tasmartId);
    if (unjudgedSinceUs === undefined) continue; // another session judged the valve just before it was locked
    claimed.push({ tasmartId, unjudgedSinceUs, judgedUntilUs, state });
  }
  return claimed;
}

/** Marks valves as unjudged, from an instant on. */
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

/** The states that are kept for the ends of months, oldest first, and last the state of the newest judged reading. */
export async function loadCheckpoints(database: Database, tasmartId: string): Promise<JudgeState[]> {
  const rows = await database.query<{ state: JudgeState }>(
    `select state from (
       select month, state from tasmart_checkpoints where tasmart_id = $1
       union all
       select 'infinity', state from tasmart_judgements where tasmart_id = $1
     ) as checkpoint order by month`,
    [tasmartId],
  );
  return rows.map(({ state }) => state);
}

/** Keeps each state for the end of the month of its newest reading, in UTC: `timestamp` ignores the Z of the text. */
export async function storeCheckpoints(
  database: Database,
  checkpoints: readonly { tasmartId: string; newestUs: Micros; state: JudgeState }[],
): Promise<void> {
  if (checkpoints.length === 0) return;
  const rows = checkpoints.map(({ tasmartId, newestUs, state }) => ({
    tasmart_id: tasmartId,
    newest: formatRfc3339(newestUs),
    state,
  }));
  await database.query(
    `insert into tasmart_checkpoints (tasmart_id, month, state)
     select tasmart_id, date_trunc('month', newest), state
     from json_to_recordset($1::json) as checkpoint (tasmart_id text, newest timestamp, state json)
     on conflict (tasmart_id, month) do update set state = excluded.state`,
    [JSON.stringify(rows)],
  );
}

/** Deletes the checkpoints of the month (UTC) of `fromUs` and of all later months. @param fromUs -Infinity: deletes all */
export async function forgetCheckpoints(database: Database, tasmartId: string, fromUs: Micros): Promise<void> {
  await database.query(
    `delete from tasmart_checkpoints
     where tasmart_id = $1 and month >= date_trunc('month', $2::timestamptz at time zone 'UTC')`,
    [tasmartId, fromUs === -Infinity ? '-infinity' : formatRfc3339(fromUs)],
  );
}

/** Stores where the judge goes on from, after it has judged these valves. */
export async function storeStates(
  database: Database,
  valves: readonly { tasmartId: string; judgedUntilUs: Micros; state: JudgeState }[],
): Promise<void> {
  const rows = valves.map(({ tasmartId, judgedUntilUs, state }) => ({
    tasmart_id: tasmartId,
    judged_until: formatRfc3339(judgedUntilUs),
    state,
  }));
  await database.query(
    `update tasmart_judgements as judgement set judged_until = judged.judged_until, state = judged.state
     from json_to_recordset($1::json) as judged (tasmart_id text, judged_until timestamptz, state json)
     where judgement.tasmart_id = judged.tasmart_id`,
    [JSON.stringify(rows)],
  );
}

/** Waits until no other session judges the valve, and locks it until the transaction ends. */
export async function lockJudgement(database: Database, tasmartId: string): Promise<void> {
  await database.query('select from tasmart_judgements where tasmart_id = $1 for no key update', [tasmartId]);
}

/** The stored limits. If there are none, stores the configured ones. @throws DatabaseError */
export async function loadLimits(database: Database, configured: Limits): Promise<Limits> {
  const limits = await loadStoredLimits(database);
  if (limits) return limits;
  await database.query(
    'insert into tasmart_settings (max_power_kw, interval_minutes) values ($1, $2) on conflict do nothing',
    [configured.maxPowerKw, configured.intervalUs / US_PER_MINUTE],
  );
  return (await loadStoredLimits(database)) ?? configured;
}

/** The limits by which the stored kWh were judged. Null: nothing is judged yet. @throws DatabaseError */
export async function loadStoredLimits(database: Database): Promise<Limits | null> {
  const [row] = await database.query<{ max_power_kw: number; interval_minutes: number }>(
    'select max_power_kw, interval_minutes from tasmart_settings',
  );
  return row ? { maxPowerKw: row.max_power_kw, intervalUs: row.interval_minutes * US_PER_MINUTE } : null;
}

/** Stores new limits and marks all valves as unjudged, in a transaction. @throws DatabaseError, KnownError exit 78 */
export async function replaceLimits(database: Database, limits: Limits): Promise<void> {
  await database.transaction(async () => {
    await database.query('update tasmart_settings set max_power_kw = $1, interval_minutes = $2', [
      limits.maxPowerKw,
      limits.intervalUs / US_PER_MINUTE,
    ]);
    await forgetJudgements(database);
  });
}

/**
 * Marks all readings as unjudged, to be judged from scratch. Call in a transaction.
 *
 * Delete the checkpoints after the update: the update waits for a session that is judging the valve and may store
 * checkpoints.
 *
 * @throws KnownError exit 78, see requireReadings
 */
async function forgetJudgements(database: Database): Promise<void> {
  await requireReadings(database, null, { 1: -Infinity, 2: -Infinity });
  await database.query(
    `with forgotten as (
       update tasmart_judgements set judged_until = null, state = '{}' returning tasmart_id
     )
     insert into tasmart_unjudged (tasmart_id, since) select tasmart_id, 'epoch' from forgotten`,
  );
  await database.query('delete from tasmart_checkpoints');
}

/** Whether this session can store the judge's results. A role for dashboards and a replica cannot. @throws DatabaseError */
export async function mayJudge(database: Database): Promise<boolean> {
  const [row] = await database.query<{ allowed: boolean }>(
    `select has_table_privilege('tasmart_energy', 'insert') and has_table_privilege('tasmart_unjudged', 'delete')
       and current_setting('transaction_read_only') = 'off' as allowed`,
  );
  return row?.allowed ?? false;
}
