import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RunMode } from '../../src/database/run-lock.ts';
import { formatRfc3339 } from '../../src/domain/time.ts';
import { startCli, type RunningCli } from '../support/cli.ts';
import { Broken } from './chronicle.ts';
import type { Run, StepFault } from './history.ts';
import { eachOf, spanOf, targetsOf, type OnStruck, type Perform, type RunResult } from './runs.ts';
import type { Stage } from './stage.ts';
import type { World } from './world.ts';

/** How long a killed program's session may live on in the server, on a loaded machine too. */
const SESSION_LIMIT_MS = 60_000;

/** By the built program, as a process of its own. */
export function performByProgram(folder: string): Perform {
  return async (world, stage, run, faults, onStruck) => {
    await writeFile(join(folder, 'config.json'), JSON.stringify(configOf(world)));
    const results = await eachOf(run, (mode) => inChild(world, stage, run, mode, { folder, faults, onStruck }));
    await sessionsGone(stage);
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

async function inChild(
  world: World,
  stage: Stage,
  run: Run,
  mode: RunMode,
  { folder, faults, onStruck }: Circumstances,
): Promise<RunResult> {
  const wanted = 'valve' in run && run.valve !== null ? world.valves[run.valve] : undefined;
  const span = spanOf(world, run);
  const args = [
    ...(mode === 'poll'
      ? ['poll']
      : ['backfill', '--from', formatRfc3339(span.fromUs), '--to', formatRfc3339(span.toUs)]),
    ...(wanted ? ['--valve', wanted.id] : []),
  ];
  const cli = startCli(args, {
    cwd: folder,
    env: { ...world.hycloud.env(), DATABASE_URL: stage.url },
    timeoutMs: 120_000,
  });
  const perils = faults.map((fault) => imperil(world, stage, cli, fault, onStruck));
  const { code, signal, stderr } = await cli.result;
  await Promise.all(perils.map((end) => end()));
  if (code === 1) throw new Broken(`a defect: ${stderr}`);
  return { mode, ending: code === 0 ? 'success' : (signal ?? `exit ${code ?? ''}`) };
}

/** Lets a process end as a fault wants it. Returns what ends the peril. */
function imperil(
  world: World,
  stage: Stage,
  cli: RunningCli,
  fault: StepFault,
  onStruck: OnStruck,
): () => Promise<void> {
  let requests = 0;
  let action: Promise<unknown> = Promise.resolve();
  const atRequest = (nth: number, ofPoints: boolean, act: () => Promise<unknown>) => {
    const forget = world.hycloud.faults.add({
      match: ({ valveId }) => {
        if (ofPoints && valveId === null) return false;
        if (requests === nth) action = act();
        requests += 1;
        return false;
      },
      fault: { kind: 'delay', ms: 0 },
    });
    return async () => {
      forget();
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
  if (fault.at % 2 === 0)
    return atRequest(0, true, () => killInTransaction(stage, cli, () => kill(signal, 'in a transaction')));
  return atRequest(0, false, () => sleep(fault.at * 5).then(() => kill(signal, 'at some moment')));
}

/** Holds up the transaction that stores the readings after it has inserted them, and has the program killed there. */
async function killInTransaction(
  { admin, rival }: Stage,
  { child }: RunningCli,
  kill: () => Promise<void>,
): Promise<void> {
  await rival.query('begin');
  try {
    // Where a doubled run is writing already, there is nothing to hold up.
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
    // The doubled run's own strike is in the same session, and meets what became of it.
    if (!['55P03', '25P02'].includes(String((error as { code?: unknown }).code))) throw error;
  } finally {
    await rival.query('rollback');
  }
}

const SESSIONS = `from pg_stat_activity where datname = current_database() and application_name like 'tasmart%'`;

async function sessionsGone({ admin }: Stage): Promise<void> {
  const untilMs = performance.now() + SESSION_LIMIT_MS;
  for (;;) {
    const { rowCount } = await admin.query(`select ${SESSIONS}`);
    if (rowCount === 0) return;
    if (performance.now() > untilMs) throw new Broken('a session outlives its program');
    await sleep(5);
  }
}
