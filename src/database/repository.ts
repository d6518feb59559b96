/** Stores readings, and loads how far each valve is synced. */
import { PROPERTIES, PROPERTY_NAMES, type PropertyName, type Reading } from '../domain/reading.ts';
import { epochSeconds, formatRfc3339, type Micros } from '../domain/time.ts';
import type { Database } from './connection.ts';

/** One valve's readings to store, and how far it is synced with them. */
export interface ValveReadings {
  tasmartId: string;
  readings: readonly Reading[];
  /** after these readings are stored, everything before this time is stored; null: unchanged */
  syncedUntilUs: Micros | null;
}

/** What the database knows of a valve before a run. */
export interface SyncState {
  /** from the registry; if unset, or later than HyCloud's clock, the time of the newest reading */
  syncedUntilUs: Micros | null;
  /** time of the newest reading; null: none since a week before `synced_until` */
  newestReadingUs: Micros | null;
  /** time of the stored reading in the window of the last boundary; null: there is none */
  boundaryReadingUs: Micros | null;
  /** when a poll last stored this valve; 0: never */
  lastAttemptUs: Micros;
}

/** Whether a reading was new. */
export type IsNew = (tasmartId: string, reading: Reading) => boolean;

/** Readings or valves per statement. */
const CHUNK = 5000;

/** The element types of the arrays that are sent, by a property's type. For 'text[]' see `selectProperty`. */
const PG_TYPES = { int16: 'integer', int32: 'integer', int64: 'bigint', 'text[]': 'text' } as const;

/** SQL: the column time_us, microseconds since 1970, as a timestamp. A double is exact until 2255. */
const TIME_OF_TIME_US = `timestamptz 'epoch' + time_us * interval '1 microsecond'`;

/** SQL: inserts readings with these properties. The columns of tasmart_data_table have the names of HyCloud's properties. */
function insertSql(names: readonly PropertyName[]): string {
  const parameters = names.map((name, index) => `$${index + 4}::${PG_TYPES[PROPERTIES[name].type]}[]`);
  return `
    insert into tasmart_data_table (${['tasmart_id', '"timestamp"', '"time"', ...names].join(', ')})
    select ${['tasmart_id', 'seconds', TIME_OF_TIME_US, ...names.map(selectProperty)].join(', ')}
    from unnest(${['$1::text[]', '$2::bigint[]', '$3::bigint[]', ...parameters].join(', ')})
      as reading (${['tasmart_id', 'seconds', 'time_us', ...names].join(', ')})
    on conflict (tasmart_id, "timestamp") do nothing
    returning tasmart_id, "timestamp"`;
}

/** SQL: a property's value. A list of texts is sent as JSON, because unnest would flatten an array of arrays. */
function selectProperty(name: PropertyName): string {
  if (PROPERTIES[name].type !== 'text[]') return name;
  return `case when ${name} is not null then array(select jsonb_array_elements_text(${name}::jsonb)) end`;
}

/**
 * Stores readings, and how far their valves are synced. Call in a transaction: one must not be stored without the other. Never
 * changes a reading that is stored already.
 *
 * `synced_until` never passes the database's clock. HyCloud's clock and its newest points may be ahead together: the readings
 * until then would be skipped. If the database's clock is late instead, the next run only fetches some points again. If
 * HyCloud's clock is ahead by more than a day, `synced_until` does not move: the run has also counted catch_up_days from that clock.
 *
 * @throws DatabaseError
 */
export async function storeReadings(database: Database, valves: readonly ValveReadings[]): Promise<IsNew> {
  const isNew = await insertReadings(database, valves);
  // Lock rows in id order, like every other writer of tasmart_valves, to avoid deadlocks.
  await database.query(
    `with locked as (
         select tasmart_id from tasmart_valves where tasmart_id = any ($1::text[])
         order by tasmart_id for no key update
       )
       update tasmart_valves as valve
       set last_attempt_at = now(), synced_until = greatest(
         valve.synced_until,
         -- not least(): null must stay null, for the valve was not read
         case
           when attempt.synced_until > now() + interval '1 day' then null
           when attempt.synced_until > now() then now()
           else attempt.synced_until
         end
       )
       from unnest($1::text[], $2::timestamptz[]) as attempt (tasmart_id, synced_until)
       join locked using (tasmart_id)
       where valve.tasmart_id = attempt.tasmart_id`,
    [valves.map(({ tasmartId }) => tasmartId), valves.map(({ syncedUntilUs }) => timestamp(syncedUntilUs))],
  );
  return isNew;
}

/** Stores readings, but not how far their valves are synced. Call in a transaction. */
export async function insertReadings(
  database: Database,
  valves: readonly Pick<ValveReadings, 'tasmartId' | 'readings'>[],
): Promise<IsNew> {
  // Insert in the order of the primary key, to avoid deadlocks between two writers.
  const rows: Row[] = [];
  for (const { tasmartId, readings } of valves) {
    for (const reading of readings) rows.push({ tasmartId, reading });
  }
  rows.sort(byKey);
  const storedBefore = new Set<string>();
  for (let start = 0; start < rows.length; start += CHUNK) {
    const refused = await insertRows(database, rows.slice(start, start + CHUNK));
    for (const row of refused) storedBefore.add(keyOf(row));
  }
  return (tasmartId, reading) => !storedBefore.has(keyOf({ tasmartId, reading }));
}

interface Row {
  tasmartId: string;
  reading: Reading;
}

/** The primary key of a row: valve and second. */
function keyOf({ tasmartId, reading }: Row): string {
  return `${tasmartId} ${epochSeconds(reading.timeUs)}`;
}

function byKey(a: Row, b: Row): number {
  if (a.tasmartId === b.tasmartId) return a.reading.timeUs - b.reading.timeUs;
  return a.tasmartId < b.tasmartId ? -1 : 1;
}

/** Returns the rows that were not inserted, because their keys are stored already. */
async function insertRows(database: Database, rows: readonly Row[]): Promise<readonly Row[]> {
  // Do not send columns that no reading has.
  const names = PROPERTY_NAMES.filter((name) => rows.some(({ reading }) => reading[PROPERTIES[name].field] !== null));
  const inserted = await database.query<{ tasmart_id: string; timestamp: number }>(insertSql(names), [
    rows.map(({ tasmartId }) => tasmartId),
    rows.map(({ reading }) => epochSeconds(reading.timeUs)),
    rows.map(({ reading }) => reading.timeUs),
    ...names.map((name) => column(name, rows)),
  ]);
  if (inserted.length === rows.length) return [];
  const insertedKeys = new Set(inserted.map((row) => `${row.tasmart_id} ${row.timestamp}`)); // as keyOf makes them
  return rows.filter((row) => !insertedKeys.has(keyOf(row)));
}

/** The values of one property, as an array parameter. */
function column(name: PropertyName, rows: readonly Row[]): unknown {
  const { field, type } = PROPERTIES[name];
  const values = rows.map(({ reading }) => reading[field]);
  return type === 'text[]' ? values.map((value) => value && JSON.stringify(value)) : values;
}

/**
 * How far each valve is synced, and whether it has a reading in the window of the last boundary (fromUs, toUs].
 *
 * @param latestUs the latest time that HyCloud's clock allows. A later synced_until was written when that clock was ahead: it
 *   is ignored, and so are later readings
 * @throws DatabaseError
 */
export async function loadSyncStates(
  database: Database,
  tasmartIds: readonly string[],
  window: { fromUs: Micros; toUs: Micros },
  latestUs: Micros,
): Promise<Map<string, SyncState>> {
  const states = new Map<string, SyncState>();
  for (let start = 0; start < tasmartIds.length; start += CHUNK) {
    const rows = await database.query<SyncState & { tasmartId: string }>(SYNC_STATES, [
      tasmartIds.slice(start, start + CHUNK),
      epochSeconds(window.fromUs),
      epochSeconds(window.toUs),
      timestamp(window.fromUs),
      timestamp(window.toUs),
      epochSeconds(latestUs),
      timestamp(latestUs),
    ]);
    for (const { tasmartId, ...state } of rows) states.set(tasmartId, state);
  }
  return states;
}

/** SQL: a timestamp as microseconds since 1970, or an interval as microseconds. As a number, exact until 2255. */
export function micros(expression: string): string {
  return `(extract(epoch from ${expression}) * 1000000)::bigint`;
}

function timestamp(timeUs: Micros | null): string | null {
  return timeUs === null ? null : formatRfc3339(timeUs);
}

/** SQL: $1 the valves; $2 to $5 the window, in seconds and exactly; $6, $7 the latest time, likewise. */
const SYNC_STATES = `
  select wanted.tasmart_id as "tasmartId", ${micros('coalesce(valve.synced_until, newest."time")')} as "syncedUntilUs",
         ${micros('newest."time"')} as "newestReadingUs",
         ${micros('boundary."time"')} as "boundaryReadingUs", coalesce(${micros('valve.last_attempt_at')}, 0) as "lastAttemptUs"
  from unnest($1::text[]) as wanted (tasmart_id)
  left join lateral (
    select case when synced_until <= $7::timestamptz then synced_until end as synced_until, last_attempt_at
    from tasmart_valves where tasmart_valves.tasmart_id = wanted.tasmart_id
  ) as valve on true
  left join lateral (
    select "time" from tasmart_data_table as reading
    where reading.tasmart_id = wanted.tasmart_id and "timestamp" <= $6::bigint
      and "timestamp" > coalesce(extract(epoch from valve.synced_until)::bigint - 7 * 86400, 0) -- spares older partitions
    order by "timestamp" desc limit 1
  ) as newest on true
  left join lateral (
    select "time" from tasmart_data_table as reading
    where reading.tasmart_id = wanted.tasmart_id
      and "timestamp" between $2::bigint and $3::bigint and "time" > $4::timestamptz and "time" <= $5::timestamptz
    order by "timestamp" desc limit 1
  ) as boundary on true`;
