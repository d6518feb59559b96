/** Loads the newest polls from tasmart_runs. */
import { accountPrefix, type Account } from '../domain/account.ts';
import { shardName } from '../domain/shard.ts';
import type { Micros } from '../domain/time.ts';
import type { Database } from './connection.ts';
import { micros } from './repository.ts';
import { IS_UNDER_WAY } from './run-lock.ts';
import type { RunEnd } from './runs.ts';

/** A run as recorded in tasmart_runs, or several of them combined. Times are the database's. */
export interface RecordedRun extends Pick<RunEnd, 'valves' | 'stored' | 'failed' | 'error'> {
  startedUs: Micros;
  /** since its start */
  ageUs: number;
  /** `killed` also if no later run has marked the row yet */
  outcome: RunEnd['outcome'] | 'killed' | 'running';
}

/**
 * Loads the newest poll, and the newest that succeeded. Several accounts, keys and shards are combined into one: the worst
 * outcome with its error, the greatest age, the sum of the counts. `newest` is null if none of them has run, `succeeded` if one
 * of them never succeeded.
 *
 * @throws DatabaseError
 */
export async function loadLastPolls(
  database: Database,
  accounts: readonly Account[],
): Promise<{ newest: RecordedRun | null; succeeded: RecordedRun | null }> {
  const newest: RunRow[] = [];
  const succeeded: RunRow[] = [];
  for (const account of await accountsByKey(database, accounts)) {
    const shards = await loadShards(database, account);
    newest.push(...(await loadNewest(database, account, shards, 'true')));
    succeeded.push(...(await loadNewest(database, account, shards, `outcome = 'success'`)));
  }
  return { newest: combine(newest), succeeded: succeeded.every(hasRun) ? combine(succeeded) : null };
}

/**
 * Without a configured key (a machine that only watches), returns the account once for each key that polls it. A key is
 * left out if its last poll is a day older than the account's last poll: it was replaced.
 */
async function accountsByKey(database: Database, accounts: readonly Account[]): Promise<Account[]> {
  const byKey: Account[] = [];
  for (const account of accounts) {
    if (account.keyId !== '') {
      byKey.push(account);
      continue;
    }
    const rows = await database.query<{ key_id: string }>(
      `select key_id from tasmart_runs where account = $1 and mode = 'poll' and key_id <> ''
       group by key_id having max(started_at) > (
         select max(started_at) from tasmart_runs where account = $1 and mode = 'poll'
       ) - interval '1 day'`,
      [account.name],
    );
    for (const { key_id: keyId } of rows) byKey.push({ ...account, keyId });
    if (rows.length === 0) byKey.push(account);
  }
  return byKey;
}

/** The names of the account's shards, as its newest poll has them. [null]: its polls are not sharded. */
async function loadShards(database: Database, account: Account): Promise<(string | null)[]> {
  const [newest] = await database.query<{ count: number | null }>(
    `select split_part(shard, '/', 2)::integer as count from tasmart_runs as run
     where ${IS_POLL_OF_ACCOUNT} order by started_at desc limit 1`,
    [account.name, account.keyId],
  );
  const count = newest?.count ?? null;
  return count === null ? [null] : Array.from({ length: count }, (_, index) => shardName({ index: index + 1, count }));
}

/**
 * SQL: the polls of an account ($1) by one key ($2): two customers may share the unnamed account. A row without a key
 * ('', from before there were accounts) counts for every key. All keys count if no key is configured ('', a machine that only watches), or if this key has not
 * polled yet. Runs that were locked out do not count.
 */
const IS_POLL_OF_ACCOUNT = `run.account = $1 and run.mode = 'poll' and outcome is distinct from 'locked'
  and ($2 = '' or run.key_id in ($2, '') or not exists (
    select from tasmart_runs as by_key
    where by_key.account = $1 and by_key.key_id = $2 and by_key.mode = 'poll' and by_key.outcome is distinct from 'locked'
  ))`;

/** A poll of a shard, or of all valves. Null times: it has not run yet, which counts as failed. */
interface RunRow extends Pick<RecordedRun, 'valves' | 'stored' | 'failed' | 'error' | 'outcome'> {
  started_us: string | null;
  age_us: string | null;
}

function hasRun(run: RunRow): boolean {
  return run.started_us !== null;
}

/** Loads, for each of these shards (null: all valves), the newest poll that meets the SQL condition. */
async function loadNewest(
  database: Database,
  account: Account,
  shards: readonly (string | null)[],
  condition: string,
): Promise<RunRow[]> {
  return database.query<RunRow>(
    `select ${micros('started_at')} as started_us, ${micros('now() - started_at')} as age_us,
            coalesce(valves, 0) as valves, coalesce(stored, 0) as stored, coalesce(failed, 0) as failed,
            coalesce(outcome, 'failed') as outcome,
            $3::text || coalesce('shard ' || wanted.shard || ': ', '')
              || case when started_at is null then 'it has not run yet' else error end as error
     from unnest($4::text[]) as wanted (shard)
     left join lateral (
       select started_at, valves, stored, failed, error,
              coalesce(outcome, case when ${IS_UNDER_WAY} then 'running' else 'killed' end) as outcome
       from tasmart_runs as run
       where ${IS_POLL_OF_ACCOUNT} and shard is not distinct from wanted.shard and ${condition}
       order by started_at desc limit 1
     ) as run on true`,
    [account.name, account.keyId, accountPrefix(account), shards],
  );
}

const BEST_TO_WORST: RecordedRun['outcome'][] = ['success', 'running', 'partial', 'interrupted', 'failed', 'killed'];

/** Null: none has run. */
function combine(runs: readonly RunRow[]): RecordedRun | null {
  const started = runs.filter(hasRun);
  const [worst] = [...runs].sort((a, b) => BEST_TO_WORST.indexOf(b.outcome) - BEST_TO_WORST.indexOf(a.outcome));
  if (!worst || started.length === 0) return null;
  const sum = (key: 'valves' | 'stored' | 'failed') => runs.reduce((total, run) => total + run[key], 0);
  return {
    startedUs: Math.min(...started.map((run) => Number(run.started_us))),
    ageUs: Math.max(...started.map((run) => Number(run.age_us))),
    outcome: worst.outcome,
    valves: sum('valves'),
    stored: sum('stored'),
    failed: sum('failed'),
    error: worst.error,
  };
}
