/** Faults of the database and of the process, for runs in this process. */
import type pg from 'pg';
import type { SimulatedRequest } from '../../scripts/simulator/faults.ts';
import type { DatabaseFault, StepFault } from './history.ts';
import type { Stage } from './stage.ts';

/** Called for each fault that strikes. */
export type OnStruck = (kind: string) => void;

export interface Injector {
  /** Counts the requests, and strikes. Returns false: as `match` of a rule, it gives no request the rule's fault. */
  onRequest: (request: SimulatedRequest) => boolean;
  /** Counts the statements of a session, and strikes at those that the faults name. */
  watch: (client: pg.Client) => Promise<void>;
  /** Waits for what was begun, and releases the locks. */
  end: () => Promise<void>;
}

type Send = (text: string, values?: unknown[]) => Promise<pg.QueryResult>;

/** Injects the faults of the database and of the process, each at its n-th request or statement. */
export function createInjector(
  { admin, rival }: Stage,
  faults: readonly StepFault[],
  stop: AbortController,
  onStruck: OnStruck,
): Injector {
  const databaseFaults = faults.filter((fault) => fault.kind === 'database');
  const processFaults = faults.filter((fault) => fault.kind === 'process');
  let requests = 0;
  let statements = 0;
  let processId: number | null = null;
  let isLocked = false;
  let pending: Promise<unknown> = Promise.resolve();

  const terminate = () => admin.query('select pg_terminate_backend($1, 60000)', [processId]);

  /** Ends the run if a fault says so: by a signal, or as if the process were gone. */
  async function endProcess(on: 'request' | 'statement', count: number): Promise<void> {
    for (const { what } of processFaults.filter((fault) => fault.on === on && fault.at === count)) {
      onStruck(`process: ${what === 'crash' ? 'gone' : 'signal'} at a ${on}`);
      stop.abort();
      if (what === 'crash') await terminate();
    }
  }

  async function strike(what: DatabaseFault, send: Send): Promise<void> {
    onStruck(`database: ${what}`);
    if (what === 'terminated') await terminate();
    else if (what === 'read-only') await send('set default_transaction_read_only = on');
    else if (what === 'full: readings') await send(`set test.full_disk = 'tasmart_data_table'`);
    else if (what === 'full: valves') await send(`set test.full_disk = 'tasmart_valves'`);
    else if (what === 'locked') {
      await send(`set lock_timeout = '20ms'`);
      await rival.query('begin');
      isLocked = true;
      await rival.query('lock table tasmart_data_table in share mode nowait').catch(() => undefined);
    }
  }

  return {
    onRequest: () => {
      pending = Promise.all([pending, endProcess('request', requests)]);
      requests += 1;
      return false;
    },
    async watch(client) {
      const send = client.query.bind(client) as unknown as Send;
      const { rows } = (await send('select pg_backend_pid() as pid')) as pg.QueryResult<{ pid: number }>;
      processId = rows[0]?.pid ?? null;
      const sendCounted: Send = async (text, values) => {
        const count = statements;
        statements += 1;
        await endProcess('statement', count);
        const due = databaseFaults.filter(({ at }) => at === count);
        for (const { what } of due) await strike(what, send).catch(ignoreUnusableSession);
        const result = await send(text, values);
        if (!due.some(({ what }) => what === 'answer lost')) return result;
        await terminate();
        throw new Error('Connection terminated unexpectedly');
      };
      client.query = sendCounted as unknown as typeof client.query;
    },
    async end() {
      await pending;
      if (isLocked) await rival.query('rollback');
    },
  };
}

/**
 * A session that is gone (57P…, E… of the socket, or no code) or whose transaction has failed (25P02) accepts no settings. The
 * run's own statement then fails too.
 */
function ignoreUnusableSession(error: unknown): void {
  const { code } = error as { code?: unknown };
  if (typeof code === 'string' && !/^(25P02|57P|E)/.test(code)) throw error;
}
