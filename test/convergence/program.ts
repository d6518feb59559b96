/** Performs runs with the built program, as a process of its own. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RunMode } from '../../src/database/run-lock.ts';
import { formatRfc3339 } from '../../src/domain/time.ts';
import { startCli, type RunningCli } from '../support/cli.ts';
import { Broken } from './chronicle.ts';
import type { Run, StepFault } from './history.ts';
import type { OnStruck } from './injector.ts';
import { modesOf, namedValve, spanOf, targetsOf, type Perform, type RunResult } from './runs.ts';
import type { Stage } from './stage.ts';
import type { World } from './world.ts';

/** How long the session of a killed program may stay in the server, on a loaded machine too. */
const SESSION_LIMIT_MS = 60_000;

/** The config.json of each run is in `folder`. */
export function performByProgram(folder: string): Perform {
  return async (world, stage, run, faults, onStruck) => {
    await writeFile(join(folder, 'config.json'), JSON.stringify(configOf(world)));
    const circumstances = { folder, faults, onStruck };
    const results = await Promise.all(modesOf(run).map((mode) => inChild(world, stage, run, mode, circumstances)));
    await untilNoSession(stage);
    return results;
  };
}

function configOf(world: World) {
  const { history, properties } = world;
  const targets = targetsOf(world).map(({ projectId, projectName }) =>
    projectId === null ? { project_name: projectName } : { project_id: projectId },
  );
  return {
    targets,
    properties,
    interval_minutes: history.intervalMinutes,
    initial_history_hours: history.initialHistoryHours,
    catch_up_days: history.catchUpHours / 24,
    max_concurrency: history.maxConcurrency,
    requests_per_second: 1000,
  };
}

interface Circumstances {
  folder: string;
  faults: readonly StepFault[];
  onStruck: OnStruck;
}

/** Runs the program once, with these faults. @throws Broken if it exits with 1: a defect */
async function inChild(
  world: World,
  stage: Stage,
  run: Run,
  mode: RunMode,
  { folder, faults, onStruck }: Circumstances,
): Promise<RunResult> {
  const valve = namedValve(world, run);
  const span = spanOf(world, run);
  const command =
    mode === 'poll' ? ['poll'] : ['backfill', '--from', formatRfc3339(span.fromUs), '--to', formatRfc3339(span.toUs)];
  const cli = startCli([...command, ...(valve ? ['--valve', valve.id] : [])], {
    cwd: folder,
    env: { ...world.hycloud.env(), DATABASE_URL: stage.url },
    timeoutMs: 120_000,
  });
  const endFaults = faults.map((fault) => inject(world, stage, cli, fault, onStruck));
  const { code, signal, stderr } = await cli.result;
  await Promise.all(endFaults.map((end) => end()));
  if (code === 1) throw new Broken(`a defect: ${stderr}`);
  return { mode, ending: code === 0 ? 'success' : (signal ?? `exit ${code ?? ''}`) };
}

/** Injects a fault of the database or of the process. Returns a function to call at the end of the process. */
function inject(
  world: World,
  stage: Stage,
  cli: RunningCli,
  fault: StepFault,
  onStruck: OnStruck,
): () => Promise<void> {
  let requests = 0;
  let action: Promise<unknown> = Promise.resolve();
  /** Acts at the n-th request, from 0. */
  const atRequest = (nth: number, onlyForPoints: boolean, act: () => Promise<unknown>) => {
    const stopCounting = world.hycloud.faults.add({
      match: ({ valveId }) => {
        if (onlyForPoints && valveId === null) return false;
        if (requests === nth) action = act();
        requests += 1;
        return false; // the rule only counts: no request gets its fault
      },
      fault: { kind: 'delay', ms: 0 },
    });
    return async () => {
      stopCounting();
      await action;
    };
  };
  const kill = (signal: 'SIGKILL' | 'SIGTERM', when: string) => {
    if (cli.child.kill(signal)) onStruck(`process: ${signal} ${when}`);
    return Promise.resolve();
  };
  if (fault.kind === 'database') {
    return atRequest(fault.at, false, async () => {
      const { rowCount } = await stage.admin.query(`select pg_terminate_backend(pid) ${SESSIONS}`);
      if (rowCount) onStruck('database: terminated');
    });
  }
  if (fault.kind !== 'process') return () => Promise.resolve();
  const signal = fault.what === 'crash' ? 'SIGKILL' : 'SIGTERM';
  if (fault.on === 'request') return atRequest(fault.at, false, () => kill(signal, 'at a request'));
  // The statements of another process cannot be counted. So kill half of the programs in the transaction, the others at random.
  if (fault.at % 2 === 0)
    return atRequest(0, true, () => killInTransaction(stage, cli, () => kill(signal, 'in a transaction')));
  return atRequest(0, false, () => sleep(fault.at * 5).then(() => kill(signal, 'at some moment')));
}

/** Blocks the transaction that stores the readings after it has inserted them, and kills the program there. */
async function killInTransaction(
  { admin, rival }: Stage,
  { child }: RunningCli,
  kill: () => Promise<void>,
): Promise<void> {
  await rival.query('begin');
  try {
    // If the other run of two is writing already, the lock is not free, and nothing is killed.
    await rival.query('lock table tasmart_valves, tasmart_backfills in exclusive mode nowait');
    while (child.exitCode === null && child.signalCode === null) {
      const { rowCount } = await admin.query(
        `select from pg_locks join pg_database on pg_database.oid = pg_locks.database
         where locktype = 'relation' and not granted and datname = current_database()`,
      );
      if (rowCount) {
        await kill();
        return;
      }
      await sleep(2);
    }
  } catch (error) {
    // The other run of two uses the same session `rival`. Its statements may find the transaction failed.
    if (!['55P03', '25P02'].includes(String((error as { code?: unknown }).code))) throw error;
  } finally {
    await rival.query('rollback');
  }
}

const SESSIONS = `from pg_stat_activity where datname = current_database() and application_name like 'tasmart%'`;

async function untilNoSession({ admin }: Stage): Promise<void> {
  const untilMs = performance.now() + SESSION_LIMIT_MS;
  for (;;) {
    const { rowCount } = await admin.query(`select ${SESSIONS}`);
    if (rowCount === 0) return;
    if (performance.now() > untilMs) throw new Broken('a session outlives its program');
    await sleep(5);
  }
}
