import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import { CLI } from '../support/build.ts';
import { PATIENT, untilSaid, type CliResult } from '../support/cli.ts';
import {
  configOf,
  describeEnd,
  expectNothingStored,
  expectRepaired,
  expectWhole,
  holdInserts,
  NOW_US,
  outcomesOf,
  QUICKLY_MS,
  runsOf,
  setStage,
  syncedUntil,
  untilNoSession,
  untilWaiting,
  type Stage,
} from './support/database-stage.ts';
import { lastBoundary, storedRows } from './support/rows.ts';
import { until } from '../support/until.ts';
import { US_PER_MINUTE } from '../../src/domain/time.ts';

const SIGNALS = [
  { name: 'SIGTERM', code: 143 },
  { name: 'SIGINT', code: 130 },
] as const;

async function timed<T>(work: Promise<T>): Promise<{ ended: T; ms: number }> {
  const startedMs = performance.now();
  return { ended: await work, ms: performance.now() - startedMs };
}

/** Starts a run and waits until HyCloud keeps it waiting. */
async function stuckAt(stage: Stage, path: RegExp) {
  const waiting = stage.simulator.log.length;
  stage.simulator.faults.add({ match: { path }, fault: { kind: 'silence' } });
  const running = await stage.start(['poll'], { env: PATIENT });
  await until('a request', () => stage.simulator.log.slice(waiting).some((request) => path.test(request.path)));
  return running;
}

/** Starts a run that has stored all valves but the last one, which keeps it waiting. */
async function stuckAtLastValve(stage: Stage) {
  const [last, ...others] = stage.simulator.valves().toReversed();
  const running = await stuckAt(stage, new RegExp(last?.id ?? ''));
  await until(
    'the others to be stored',
    async () => (await syncedUntil(stage.client)).filter((us) => us !== null).length === others.length,
  );
  return running;
}

describe('a signal', () => {
  for (const { name, code } of SIGNALS) {
    test(`${name} while the targets are resolved: ${code}`, async ({ annotate }) => {
      const stage = await setStage();
      const { child, result } = await stuckAt(stage, /projects/);
      child.kill(name);
      const { ended, ms } = await timed(result);
      expect({ code: ended.code, stderr: ended.stderr }).toEqual({
        code,
        stderr: expect.stringContaining(
          `interrupted by ${name}: what was stored stays, the next run goes on`,
        ) as string,
      });
      expect(ms).toBeLessThan(QUICKLY_MS);
      await annotate(`exit ${code} ${Math.round(ms)} ms after the signal`);
      await expectNothingStored(stage);
      expect(await outcomesOf(stage.client)).toEqual(['interrupted']);
      stage.simulator.faults.clear();
      await expectRepaired(stage);
      expect(await outcomesOf(stage.client)).toEqual(['interrupted', 'success']);
    });

    test(`${name} in the middle of fetching: ${code}, what was stored stays`, async ({ annotate }) => {
      const stage = await setStage();
      const { child, result } = await stuckAtLastValve(stage);
      const before = await storedRows(stage.client);
      child.kill(name);
      const { ended, ms } = await timed(result);
      expect({ code: ended.code, stdout: ended.stdout }).toEqual({
        code,
        stdout: expect.stringMatching(/3 valves: 10 readings stored.* 1 failed/) as string,
      });
      expect(ms).toBeLessThan(QUICKLY_MS);
      await annotate(`exit ${code} ${Math.round(ms)} ms after the signal`);
      expect(before).toHaveLength(10);
      expect(await storedRows(stage.client)).toEqual(before);
      expect(await runsOf(stage.client)).toMatchObject([{ outcome: 'interrupted', stored: 10 }]);
      stage.simulator.faults.clear();
      await expectRepaired(stage);
    });

    test(`${name} right at storing: ${code}, and it is stored`, async ({ annotate }) => {
      const stage = await setStage();
      const release = await holdInserts(stage);
      const { child, result } = await stage.start(['poll'], { env: PATIENT });
      await untilWaiting(stage);
      child.kill(name);
      const { ended, ms } = await timed(Promise.all([result, release()]).then(([first]) => first));
      expect(ended.code).toBe(code);
      expect(ms).toBeLessThan(QUICKLY_MS);
      await annotate(`exit ${code} ${Math.round(ms)} ms after the insert went on`);
      // The batch under way; valves that had not answered by then are left to the next run.
      expect(await storedRows(stage.client)).not.toHaveLength(0);
      await expectRepaired(stage);
    });
  }

  test('SIGTERM while a retry is waited for: 143', async ({ annotate }) => {
    const stage = await setStage();
    stage.simulator.faults.add({ fault: { kind: 'status', status: 429, headers: { 'retry-after': '60' } } });
    const running = await stage.start(['poll'], { env: PATIENT });
    await untilSaid(running, 'trying again');
    running.child.kill('SIGTERM');
    const { ended, ms } = await timed(running.result);
    expect(ended.code).toBe(143);
    expect(ms).toBeLessThan(QUICKLY_MS);
    await annotate(`exit 143 ${Math.round(ms)} ms after the signal`);
    stage.simulator.faults.clear();
    await expectRepaired(stage);
  });

  test('SIGTERM while the database is waited for that answers nothing more: 143', async ({ annotate }) => {
    const stage = await setStage();
    const holder = await stage.database.client();
    await holder.query('begin; lock table tasmart_runs');
    const { child, result } = await stage.start();
    await untilWaiting(stage);
    child.kill('SIGTERM');
    const { ended, ms } = await timed(result);
    expect(ended.code).toBe(143);
    expect(ms).toBeLessThan(QUICKLY_MS);
    await annotate(`exit 143 ${Math.round(ms)} ms after the signal`);
    await holder.query('rollback');
    await untilNoSession(stage);
    await expectRepaired(stage);
  });

  test('a second signal ends it at once', async ({ annotate }) => {
    const stage = await setStage();
    const holder = await stage.database.client();
    await holder.query('begin; lock table tasmart_runs');
    const { child, result } = await stage.start(['poll'], { env: PATIENT });
    await untilWaiting(stage);
    child.kill('SIGINT');
    await sleep(100);
    child.kill('SIGTERM');
    const { ended, ms } = await timed(result);
    expect(ended.code).toBe(143);
    expect(ms).toBeLessThan(QUICKLY_MS);
    await annotate(`exit 143 ${Math.round(ms)} ms after the second signal`);
    await holder.query('rollback');
  });

  test('SIGTERM whenever it may come', async ({ annotate }) => {
    const stage = await setStage({ settings: { latencyMs: 30 } });
    const last = stage.simulator.valves().at(-1)?.id ?? '';
    stage.simulator.faults.add({ match: { path: new RegExp(last) }, fault: { kind: 'silence' } }); // none ends by itself
    for (const afterMs of [20, 150, 200, 250, 300, 350]) {
      const { child, result } = await stage.start(['poll'], { env: PATIENT });
      await sleep(afterMs);
      child.kill('SIGTERM');
      const { code, signal } = await result;
      expect([143, 'SIGTERM']).toContain(code ?? signal); // the latter before it has begun
      await annotate(`after ${afterMs} ms: ${String(code ?? signal)}`);
    }
    stage.simulator.faults.clear();
    await expectRepaired(stage);
    expect(await outcomesOf(stage.client)).not.toContain('killed');
  });
});

describe('SIGKILL', () => {
  async function expectMarked(stage: Stage, running: Awaited<ReturnType<Stage['start']>>): Promise<void> {
    running.child.kill('SIGKILL');
    expect(await running.result).toMatchObject({ code: null, signal: 'SIGKILL' });
    await untilNoSession(stage);
    stage.simulator.faults.clear();
    await expectRepaired(stage);
    expect(await runsOf(stage.client)).toMatchObject([
      { outcome: 'killed', error: 'no end was recorded: the process was killed or lost its database connection' },
      { outcome: 'success' },
    ]);
  }

  test('while the targets are resolved: the next run says so and goes on', async () => {
    const stage = await setStage();
    await expectMarked(stage, await stuckAt(stage, /projects/));
  });

  test('in the middle of fetching: what was stored stays', async () => {
    const stage = await setStage();
    const running = await stuckAtLastValve(stage);
    const before = await storedRows(stage.client);
    expect(before).toHaveLength(10);
    await expectMarked(stage, running);
    expect(await storedRows(stage.client)).toEqual(expect.arrayContaining(before));
  });

  test('right at storing: all or nothing', async () => {
    const stage = await setStage();
    const release = await holdInserts(stage);
    const running = await stage.start();
    await untilWaiting(stage);
    running.child.kill('SIGKILL');
    await running.result;
    await release();
    await untilNoSession(stage);
    await expectNothingStored(stage);
    await expectMarked(stage, running);
  });

  test('whenever it may come', async () => {
    const stage = await setStage({ settings: { latencyMs: 30 } });
    for (const afterMs of [100, 200, 250, 300, 350, 400]) {
      const { child, result } = await stage.start();
      await sleep(afterMs);
      child.kill('SIGKILL');
      await result;
      await untilNoSession(stage);
    }
    await expectRepaired(stage);
    expect(await outcomesOf(stage.client)).not.toContain(null);
  });
});

describe('several runs at once', () => {
  test('one works, the others exit 75 without waiting for it', async ({ annotate }) => {
    const stage = await setStage();
    const release = await holdInserts(stage);
    const results: CliResult[] = [];
    const runs = await Promise.all(Array.from({ length: 6 }, () => stage.start()));
    const ended = runs.map(({ result }) => result.then((one) => results.push(one)));
    await until('five to end', () => results.length === 5);
    for (const { code, stderr } of results) {
      expect({ code, stderr }).toEqual({
        code: 75,
        stderr: expect.stringContaining('another poll is under way: nothing was done') as string,
      });
    }
    await annotate(`exit 75 after ${results.map(({ ms }) => Math.round(ms)).join(', ')} ms`);
    await release();
    await Promise.all(ended);
    expect(results[5]?.code).toBe(0);
    await expectWhole(stage);
    const locked = Array.from({ length: 5 }, () => 'locked');
    expect((await outcomesOf(stage.client)).sort()).toEqual([...locked, 'success']);
  });

  test('one by itself is told at once', async ({ annotate }) => {
    const stage = await setStage();
    const { child, result } = await stuckAt(stage, /projects/);
    const second = await stage.run();
    expect(second.code).toBe(75);
    expect(second.ms).toBeLessThan(QUICKLY_MS);
    await annotate(describeEnd(second));
    child.kill('SIGKILL');
    await result;
  });
});

describe('the run deadline', () => {
  test('is kept; what was read is stored, the rest is reported and comes first next time', async ({ annotate }) => {
    const stage = await setStage({ valves: 6 });
    stage.simulator.faults.add({ match: { path: /points/ }, after: 2, fault: { kind: 'silence' } });
    const config = { run_deadline_seconds: 4, max_concurrency: 1 };
    const result = await stage.run(['poll'], { config });
    expect(result.code).toBe(2);
    expect(result.ms).toBeLessThan(QUICKLY_MS);
    await annotate(describeEnd(result));
    const reached = [...new Set((await storedRows(stage.client)).map(({ id }) => id))];
    expect(reached).toHaveLength(2);
    expect(result.stdout).toContain('4 failed');
    expect(result.stderr).toContain('stopped before an answer came');
    expect(await runsOf(stage.client)).toMatchObject([{ outcome: 'partial', stored: 5 * reached.length }]);

    stage.simulator.faults.clear();
    stage.simulator.log.length = 0;
    // One after the other, so that they arrive in the order in which they are sent.
    expect((await stage.run(['poll'], { config: { max_concurrency: 1 } })).code).toBe(0);
    const asked = stage.simulator.log.flatMap(({ path }) => /ta-smart\/([^/]+)/.exec(path)?.slice(1) ?? []);
    const firstSix = [...new Set(asked)];
    expect(new Set(firstSix.slice(0, 6 - reached.length))).toEqual(
      new Set(stage.simulator.valves().flatMap(({ id }) => (reached.includes(id) ? [] : [id]))),
    );
    await expectRepaired(stage);
  });

  test('is kept where nothing at all is read: 69', async ({ annotate }) => {
    const stage = await setStage();
    stage.simulator.faults.add({ fault: { kind: 'silence' } });
    const result = await stage.run(['poll'], { config: { run_deadline_seconds: 4 } });
    expect({ code: result.code, stderr: result.stderr }).toEqual({
      code: 69,
      stderr: expect.stringContaining('the next run will catch up') as string,
    });
    expect(result.ms).toBeLessThan(QUICKLY_MS);
    await annotate(describeEnd(result));
    expect(await outcomesOf(stage.client)).toEqual(['failed']);
    stage.simulator.faults.clear();
    await expectRepaired(stage);
  });
});

describe('a process that is stopped until after its deadline', () => {
  test('ends as at the deadline when it continues, and blames nothing else', async () => {
    const stage = await setStage({ valves: 6 });
    stage.simulator.faults.add({ match: { path: /points/ }, after: 2, fault: { kind: 'silence' } });
    const config = { run_deadline_seconds: 4, max_concurrency: 1 };
    const { child, result } = await stage.start(['poll'], { config });
    await until('two valves to be stored', async () => (await storedRows(stage.client)).length === 10);
    child.kill('SIGSTOP');
    await sleep(4000);
    child.kill('SIGCONT');
    const { code, stderr } = await result;
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.not.stringContaining('database') as string });
    expect(await runsOf(stage.client)).toMatchObject([{ outcome: 'partial', stored: 10 }]);
    stage.simulator.faults.clear();
    await expectRepaired(stage);
  });
});

describe("this machine's clock", () => {
  /** Nothing else is changed: timers follow the monotonic clock. */
  async function shifted(stage: Stage, byMs: number): Promise<Record<string, string>> {
    const file = join(stage.folder, 'shift.mjs');
    await writeFile(
      file,
      `const Real = Date;
       globalThis.Date = class extends Real {
         constructor(...args) { super(...(args.length === 0 ? [Real.now() + ${byMs}] : args)); }
         static now() { return Real.now() + ${byMs}; }
       };`,
    );
    return { NODE_OPTIONS: `--import ${pathToFileURL(file).href}` };
  }

  for (const [name, hours] of [
    ['an hour back', -1],
    ['an hour ahead', 1],
    ['ten years back', -87_600],
  ] as const) {
    test(`${name}: HyCloud's is what counts`, async () => {
      const stage = await setStage();
      stage.simulator.clock.run(); // from now on, by a clock of its own
      stage.simulator.clock.set(NOW_US);
      const env = await shifted(stage, hours * 3_600_000);
      expect((await stage.run(['poll'], { env })).code).toBe(0);
      await expectWhole(stage);
      stage.simulator.clock.advance(30 * US_PER_MINUTE);
      expect((await stage.run(['poll'], { env })).code).toBe(0);
      await expectWhole(stage);
      expect(new Set(await syncedUntil(stage.client))).toEqual(new Set([lastBoundary(stage.simulator.clock.now())]));
    });
  }

  test('an hour back: a backfill until now still ends at HyCloud’s now', async () => {
    const stage = await setStage();
    const env = await shifted(stage, NOW_US / 1000 - Date.now() - 3_600_000);
    const result = await stage.run(['backfill', '--from', '2026-03-01T08:00:00Z'], { env });
    expect({ code: result.code, stdout: result.stdout }).toEqual({
      code: 0,
      stdout: expect.stringContaining('24 readings stored') as string,
    });
  });
});

describe('an output that cannot be written', () => {
  /** Runs `tasmart` in a shell's command line. */
  async function shell(
    stage: Stage,
    command: string,
  ): Promise<{ status: number | null; stdout: string; stderr: string }> {
    const config = join(stage.folder, 'config.json');
    await writeFile(config, JSON.stringify(configOf(stage.simulator)));
    const child = spawn(
      'bash',
      ['-c', `set -o pipefail; tasmart() { "$NODE" -- "$CLI" --config "$CONFIG" "$@"; }; ${command}`],
      {
        env: { PATH: process.env['PATH'], NODE: process.execPath, CLI, CONFIG: config, ...stage.env },
        stdio: ['ignore', 'pipe', 'pipe'],
        timeout: 60_000,
      },
    );
    const [[status], stdout, stderr] = await Promise.all([
      once(child, 'exit') as Promise<[number | null]>,
      text(child.stdout),
      text(child.stderr),
    ]);
    return { status, stdout, stderr };
  }

  for (const format of ['json', 'pretty']) {
    test(`a full disk for the log (${format}) costs the log`, async () => {
      const stage = await setStage();
      const log = `--log-format ${format} --log-level debug`;
      const { status, stdout } = await shell(stage, `tasmart ${log} poll 2>/dev/full`);
      expect({ status, stdout }).toEqual({
        status: 0,
        stdout: expect.stringContaining('15 readings stored') as string,
      });
      await expectWhole(stage);
    });
  }

  for (const format of ['json', 'pretty']) {
    test(`a log (${format}) that is read late is read whole`, async () => {
      const stage = await setStage();
      const wrong = join(stage.folder, 'wrong.json');
      const keys = Array.from({ length: 4000 }, (_, number) => [`no_such_key_${number}`, number] as const);
      await writeFile(wrong, JSON.stringify(Object.fromEntries(keys)));
      const command = `tasmart --config ${wrong} --log-format ${format} poll 2>&1 | (sleep 1; cat)`;
      const { status, stdout } = await shell(stage, command);
      expect(status).toBe(78);
      expect(stdout.match(/no_such_key_\d+/g)).toHaveLength(keys.length);
    });
  }

  test('a full disk for the log does not hide a failure', async () => {
    const stage = await setStage();
    expect(await shell(stage, 'tasmart --env-file /none poll 2>/dev/full')).toMatchObject({ status: 78 });
  });

  test('a full disk for the readings: 1, and they are in the database', async () => {
    const stage = await setStage();
    const { status, stderr } = await shell(stage, 'tasmart poll >/dev/full');
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: expect.stringMatching(/the output could not be written: ENOSPC/) as string,
    });
    await expectWhole(stage);
  });

  for (const reader of ['head -1', ':']) {
    test(`a reader that leaves (| ${reader}) costs nothing`, async () => {
      const stage = await setStage();
      const { status, stderr } = await shell(stage, `tasmart poll --format csv | ${reader}`);
      expect({ status, stderr: stderr.includes('error') }).toEqual({ status: 0, stderr: false });
      await expectWhole(stage);
    });
  }
});
