/** Holds the lock of a run, as another run would. */
import type pg from 'pg';
import { parseConfig } from '../../src/config/parse.ts';
import { runLockKey } from '../../src/database/run-lock.ts';

/** Holds the lock of a poll of the unnamed account with these credentials, as long as the session lasts. */
export async function holdRunLock(client: pg.Client, credentials: Record<string, string>): Promise<void> {
  const [account] = parseConfig({}, credentials).config.accounts;
  if (!account) throw new Error('there is always an account');
  await client.query('select pg_advisory_lock($1::bigint)', [runLockKey({ account, mode: 'poll', shard: null })]);
}
