import { describe, expect, test } from 'vitest';
import { type CliResult, logLines, PATIENT } from '../support/cli.ts';
import {
  instant,
  outcomesOf,
  runsOf,
  setStage,
  syncedUntil,
  untilNoSession,
  type Stage,
} from '../faults/support/database-stage.ts';
import { boundaryPoints, INTERVAL_US, storedRows } from '../faults/support/rows.ts';
import { until } from '../support/until.ts';
import { US_PER_HOUR } from '../../src/domain/time.ts';

/** Two days: six requests a valve, each of 8¼ hours. */
const FROM = '2026-02-26T00:00:00Z';
const TO = '2026-02-28T00:00:00Z';
const SPAN = ['backfill', '--from', FROM, '--to', TO];
const CHUNK_US = 33 * INTERVAL_US;
const CHUNKS = 6;

/** For these tests: no history at first, so that a poll stores one reading a valve. */
const NO_HISTORY = { config: { initial_history_hours: 0 } };

async function expectTruth({ simulator, client }: Stage, from = FROM, to = TO): Promise<void> {
  const rows = await storedRows(client);
  for (const { id } of simulator.valves()) {
    const due = boundaryPoints(simulator, id, instant(from), instant(to));
    expect(due).toHaveLength((instant(to) - instant(from)) / INTERVAL_US);
    expect(rows.filter((row) => row.id === id)).toEqual(due);
  }
}

/** The requests for points since the log was last emptied, and it is emptied. */
function pointRequests({ simulator }: Stage): { valveId: string; fromUs: number }[] {
  return simulator.log.splice(0).flatMap(({ path, query }) => {
    const valveId = /ta-smart\/([^/]+)\/data\/points/.exec(path)?.[1];
    return valveId === undefined ? [] : [{ valveId, fromUs: instant(String(query['from'])) }];
  });
}

/** How many chunks the database counts as done. */
async function chunksDone({ client }: Stage): Promise<number> {
  const { rows } = await client.query<{ seconds: string | null }>(
    `select sum(extract(epoch from upper(span) - lower(span)))::bigint::text as seconds
     from tasmart_backfills cross join lateral unnest(covered) as span`,
  );
  return (Number(rows[0]?.seconds ?? 0) * 1e6) / CHUNK_US;
}

function expectSaid(result: CliResult, expected: { code: number; stdout?: RegExp; stderr?: RegExp }): void {
  expect({ code: result.code, stdout: result.stdout, stderr: result.stderr }).toEqual({
    code: expected.code,
    stdout: expect.stringMatching(expected.stdout ?? /^/) as string,
    stderr: expect.stringMatching(expected.stderr ?? /^/) as string,
  });
}

describe('a backfill that is interrupted', () => {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGKILL'] as const) {
    test(`${signal}: what is done stays, the next one fetches only what is left`, async () => {
      const stage = await setStage({ valves: 2 });
      stage.simulator.faults.add({ match: { path: /points/ }, after: 7, fault: { kind: 'silence' } });
      const { child, result } = await stage.start(SPAN, { env: PATIENT });
      await until('seven chunks', async () => (await chunksDone(stage)) >= 6.5);
      child.kill(signal);
      const ended = await result;
      expect(ended.code).toBe({ SIGTERM: 143, SIGINT: 130, SIGKILL: null }[signal]);
      await untilNoSession(stage);
      const stored = (await storedRows(stage.client)).length;
      expect(stored).toBeGreaterThan(6 * 33 - 33);
      if (signal !== 'SIGKILL') {
        expect(await runsOf(stage.client)).toMatchObject([{ mode: 'backfill', outcome: 'interrupted', stored }]);
      }

      stage.simulator.faults.clear();
      const done = await chunksDone(stage);
      pointRequests(stage);
      const again = await stage.run(SPAN);
      expectSaid(again, { code: 0, stdout: new RegExp(`^${2 * 192 - stored} readings stored `) });
      // Done chunks lie whole; what is left of a valve is cut anew, which never makes more of it.
      expect(pointRequests(stage)).toHaveLength(Math.ceil(2 * CHUNKS - 7));
      expect(done).toBeLessThanOrEqual(7);
      await expectTruth(stage);
      expect(await outcomesOf(stage.client)).toEqual([signal === 'SIGKILL' ? 'killed' : 'interrupted', 'success']);
    });
  }
});

describe('a backfill', () => {
  test('announces its requests, stores, and finds nothing to do a second time', async () => {
    const stage = await setStage({ valves: 2 });
    const first = await stage.run(SPAN);
    expectSaid(first, { code: 0, stdout: /^384 readings stored in \d+\.\d s; 0 of 2 valves unchanged, 0 failed\.\n$/ });
    expect(logLines(first.stderr)[0]).toMatchObject({
      level: 'info',
      requests: 12,
      valves: 2,
      msg: '12 requests for 2 valves: at least 1 s at 1000 requests a second. It may be interrupted, and goes on from there.',
    });
    expect(pointRequests(stage)).toHaveLength(12);
    await expectTruth(stage);

    const second = await stage.run(SPAN);
    expectSaid(second, {
      code: 0,
      stdout: /^0 readings stored /,
      stderr: /Nothing to fetch: the whole span was fetched before/,
    });
    expect(pointRequests(stage)).toEqual([]);

    const wider = await stage.run(['backfill', '--from', '2026-02-25T22:00:00Z', '--to', '2026-02-28T02:00:00Z']);
    expectSaid(wider, { code: 0, stdout: /^32 readings stored / });
    expect(pointRequests(stage)).toHaveLength(4);
    await expectTruth(stage, '2026-02-25T22:00:00Z', '2026-02-28T02:00:00Z');
  });

  test('writes plain lines off a terminal, for people too', async () => {
    const stage = await setStage({ valves: 1 });
    const { code, stderr } = await stage.run(['--log-format', 'pretty', ...SPAN]);
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr:
        '6 requests for 1 valve: at least 1 s at 1000 requests a second. It may be interrupted, and goes on from there.\n',
    });
  });

  test('stores what a poll would have, leaves synced_until alone, and the readings that are there', async () => {
    const stage = await setStage();
    expect((await stage.run(['poll'], { config: { initial_history_hours: 3 } })).code).toBe(0);
    const before = { synced: await syncedUntil(stage.client), rows: await storedRows(stage.client) };
    const result = await stage.run(['backfill', '--from', '2026-03-01T06:00:00Z']);
    expectSaid(result, { code: 0, stdout: /^12 readings stored / });
    expect(await syncedUntil(stage.client)).toEqual(before.synced);
    const rows = await storedRows(stage.client);
    expect(rows).toEqual(expect.arrayContaining(before.rows));
    for (const { id } of stage.simulator.valves()) {
      const due = boundaryPoints(stage.simulator, id, instant('2026-03-01T06:00:00Z'), instant('2026-03-01T10:00:00Z'));
      expect(rows.filter((row) => row.id === id).slice(0, -1)).toEqual(due); // and the poll's newest
    }
  });

  test('of valves that were never polled does not count as polling them', async () => {
    const stage = await setStage();
    expect((await stage.run(SPAN)).code).toBe(0);
    expect(await syncedUntil(stage.client)).toEqual([null, null, null]);
  });

  test('and a poll work at the same time; a second backfill does not', async () => {
    const stage = await setStage();
    const [valve] = stage.simulator.valves();
    // The backfill asks again, for half a minute, until it gets an answer.
    stage.simulator.faults.add({
      match: ({ query }) => query.get('from')?.startsWith('2026-02-2') === true,
      fault: { kind: 'silence' },
    });
    const { result } = await stage.start(SPAN, { config: { request_timeout_seconds: 3 } });
    await until('a request for points', () => stage.simulator.log.some(({ path }) => path.includes(valve?.id ?? '-')));
    const [polled, second] = await Promise.all([stage.run(['poll'], NO_HISTORY), stage.run(SPAN)]);
    expectSaid(polled, { code: 0, stdout: /3 readings stored/ });
    expectSaid(second, { code: 75, stderr: /another backfill is under way: nothing was done/ });
    stage.simulator.faults.clear();
    expect((await result).code).toBe(0);
    const rows = await storedRows(stage.client);
    expect(rows).toHaveLength(3 * 192 + 3);
    expect((await outcomesOf(stage.client)).sort()).toEqual(['locked', 'success', 'success']);
  });

  test('is narrowed by --valve', async () => {
    const stage = await setStage();
    const [first, second] = stage.simulator.valves();
    expect((await stage.run([...SPAN, '--valve', first?.shortSn ?? '', '--valve', second?.id ?? ''])).code).toBe(0);
    const asked = new Set(pointRequests(stage).map(({ valveId }) => valveId));
    expect(asked).toEqual(new Set([first?.id, second?.id]));
    const unknown = await stage.run([...SPAN, '--valve', 'ffffffff']);
    expectSaid(unknown, { code: 78, stderr: /no targeted valve is called ffffffff/ });
  });

  test('one valve that fails costs only itself, and the next one fetches just it', async () => {
    const stage = await setStage();
    const [bad] = stage.simulator.valves();
    const id = bad?.id ?? '';
    stage.simulator.faults.add({ match: { valveId: id }, fault: { kind: 'status', status: 404 } });
    const result = await stage.run(SPAN);
    expectSaid(result, { code: 2, stdout: /^384 readings stored/, stderr: /HTTP 404/ });
    expect((await storedRows(stage.client)).some((row) => row.id === id)).toBe(false);
    expect(await runsOf(stage.client)).toMatchObject([{ outcome: 'partial', stored: 384 }]);
    stage.simulator.faults.clear();
    pointRequests(stage);
    expectSaid(await stage.run(SPAN), { code: 0, stdout: /^192 readings stored/ });
    expect(pointRequests(stage).map(({ valveId }) => valveId)).toEqual(Array.from({ length: CHUNKS }, () => id));
    await expectTruth(stage);
  });

  test('all valves failing: 69, and nothing counts as done', async () => {
    const stage = await setStage();
    stage.simulator.faults.add({ match: { path: /points/ }, fault: { kind: 'status', status: 404 } });
    expect((await stage.run(SPAN)).code).toBe(69);
    expect(await chunksDone(stage)).toBe(0);
    stage.simulator.faults.clear();
    expect((await stage.run(SPAN)).code).toBe(0);
    await expectTruth(stage);
  });

  test('no right to any valve: 77, as for a poll', async () => {
    const stage = await setStage({ valves: 2 });
    stage.simulator.faults.add({ match: { path: /points/ }, fault: { kind: 'status', status: 403 } });
    expect((await stage.run(SPAN)).code).toBe(77);
    expect((await stage.run(['poll'])).code).toBe(77);
  });

  test('refused credentials: 77 after one more call, what was done stays', async () => {
    const stage = await setStage({ valves: 1 });
    stage.simulator.faults.add({ match: { path: /points/ }, after: 3, fault: { kind: 'status', status: 401 } });
    const result = await stage.run(SPAN, { config: { max_concurrency: 1 } });
    expect(result.code).toBe(77);
    expect(pointRequests(stage)).toHaveLength(5);
    expect(await chunksDone(stage)).toBe(3);
    stage.simulator.faults.clear();
    expect((await stage.run(SPAN)).code).toBe(0);
    expect(pointRequests(stage)).toHaveLength(3);
    await expectTruth(stage);
  });

  test('points that make no sense are not stored, and their stretch is fetched again', async () => {
    const stage = await setStage({ valves: 1 });
    const [valve] = stage.simulator.valves();
    if (!valve) throw new Error('no valve');
    const timeUs = instant('2026-02-26T12:00:03Z');
    valve.extraPoints = [{ timeUs, raw: { measured_flow: 'much' } }];
    const result = await stage.run(SPAN);
    expectSaid(result, { code: 2, stdout: /^192 readings stored/ });
    expect(logLines(result.stderr)).toContainEqual(
      expect.objectContaining({
        msg: expect.stringMatching(/points that make no sense.*measured_flow/) as string,
        remedy: 'HyCloud still serves these points; run it again when they are mended',
      }),
    );
    await expectTruth(stage);
    expect(await chunksDone(stage)).toBeLessThan(CHUNKS);
    expectSaid(await stage.run(SPAN), { code: 2, stdout: /^0 readings stored/ });
    valve.extraPoints = [];
    pointRequests(stage);
    expectSaid(await stage.run(SPAN), { code: 0, stdout: /^0 readings stored / });
    const asked = pointRequests(stage);
    expect(asked).toHaveLength(1);
    expect(asked[0]?.fromUs).toBeLessThan(timeUs);
    expectSaid(await stage.run(SPAN), { code: 0, stderr: /Nothing to fetch/ });
  });
});

describe('the span', () => {
  async function storedSpan(args: string[], nowUs?: number): Promise<{ rows: number; fromUs: number; toUs: number }> {
    const stage = await setStage({ valves: 1, ...(nowUs === undefined ? {} : { nowUs }) });
    const result = await stage.run(['backfill', ...args]);
    expectSaid(result, { code: 0 });
    const rows = await storedRows(stage.client);
    const ceil = (timeUs = NaN) => Math.ceil(timeUs / INTERVAL_US) * INTERVAL_US;
    return { rows: rows.length, fromUs: ceil(rows[0]?.us) - INTERVAL_US, toUs: ceil(rows.at(-1)?.us) };
  }

  test.each([
    {
      name: 'a local day',
      args: ['--from', '2026-02-27', '--to', '2026-02-28'],
      from: '2026-02-26T23:00:00Z',
      hours: 24,
    },
    {
      name: 'local times',
      args: ['--from', '2026-02-27T08:00', '--to', '2026-02-27 09:30'],
      from: '2026-02-27T07:00:00Z',
      hours: 1.5,
    },
    {
      name: 'an offset',
      args: ['--from', '2026-02-27T08:00:00-02:00', '--to', '2026-02-27T11:00:00Z'],
      from: '2026-02-27T10:00:00Z',
      hours: 1,
    },
    {
      name: 'off the grid',
      args: ['--from', '2026-02-27T08:07:00Z', '--to', '2026-02-27T08:59:59Z'],
      from: '2026-02-27T08:00:00Z',
      hours: 0.75,
    },
    {
      name: 'the day the clocks go forward',
      args: ['--from', '2025-03-30', '--to', '2025-03-31'],
      from: '2025-03-29T23:00:00Z',
      hours: 23,
    },
  ])('$name: $args', async ({ args, from, hours }) => {
    const fromUs = instant(from);
    expect(await storedSpan(args)).toEqual({ rows: hours * 4, fromUs, toUs: fromUs + hours * US_PER_HOUR });
  });

  test('so long ago, until now', async () => {
    const nowUs = Date.now() * 1000;
    const { rows, fromUs, toUs } = await storedSpan(['--from', '24h'], nowUs);
    expect([96, 97]).toContain(rows);
    expect(nowUs - toUs).toBeLessThan(INTERVAL_US);
    expect(toUs - fromUs).toBe(rows * INTERVAL_US);
  });

  test('that is no span: 64, and nobody is asked', async () => {
    const stage = await setStage({ valves: 1 });
    for (const [args, stderr] of [
      [['--from', 'tomorrow'], /24h, 7d \(ago\).*--from tomorrow is not a time/],
      [['--from', '2026-03-01T08:00:00+99:00'], /--from 2026-03-01T08:00:00\+99:00 is not a time/],
      [['--from', '0001-01-01'], /--from 0001-01-01 is not a time/],
      [['--from', '2026-02-27', '--to', '9999-12-31'], /--to 9999-12-31 is not a time/],
      [['--from', '2026-02-30'], /--from 2026-02-30 is not a time/],
      [['--from', '800000d'], /--from 800000d is not a time/],
      [['--from', '999999999999d'], /--from 999999999999d is not a time/],
      [['--from', '2026-02-27', '--to', '1'], /--to 1 is not a time/],
      [['--from', '2026-02-28', '--to', '2026-02-27'], /--from 2026-02-28 is not before --to 2026-02-27/],
      [['--to', '2026-02-27'], /missing --from <time>/],
      [['--from', '2026-02-27', 'more'], /too many arguments/],
    ] as const) {
      expectSaid(await stage.run(['backfill', ...args]), { code: 64, stderr });
    }
    expect(stage.simulator.totals().requests).toBe(0);
  });

  test('that is over before HyCloud has anything needs no request', async () => {
    const stage = await setStage({ valves: 1 });
    const result = await stage.run(['backfill', '--from', '2026-03-01T10:01:00Z', '--to', '2026-03-01T10:06:00Z']);
    expectSaid(result, {
      code: 0,
      stdout: /^0 readings stored/,
      stderr: /Nothing to fetch: no interval of the span is over/,
    });
    expect(pointRequests(stage)).toEqual([]);
  });
});

test('of one valve does not mind what another project lacks', async () => {
  const stage = await setStage({ valves: [1, 1] });
  const [valve] = stage.simulator.projects[0]?.valves.keys() ?? [];
  const config = {
    ...NO_HISTORY.config,
    target_project_id: undefined,
    targets: [{ project_id: stage.simulator.projects[0]?.id }, { project_id: '00000000-0000-4000-8000-000000000000' }],
  };
  const narrowed = await stage.run([...SPAN, '--valve', valve ?? ''], { config });
  expectSaid(narrowed, { code: 0, stdout: /^192 readings stored .* 0 failed\.$/m });
  expectSaid(await stage.run(SPAN, { config }), { code: 2, stdout: / 1 failed\.$/m, stderr: /Nothing to fetch/ });
});

test('of a fleet that fails as a whole tells the first hundred valves', async () => {
  const stage = await setStage({ valves: 102 });
  stage.simulator.faults.add({ match: { path: /points/ }, fault: { kind: 'status', status: 404 } });
  const { stderr } = await stage.run(['backfill', '--from', '2026-02-27T23:00:00Z', '--to', TO]);
  const warnings = logLines(stderr).filter(({ level }) => level === 'warn');
  expect(warnings).toHaveLength(101);
  expect(warnings.at(-1)).toMatchObject({
    valves: 2,
    msg: 'other valves failed too: run it again to see what remains',
  });
});

test('before the first poll keeps none of the boundaries since the prototype from being polled', async () => {
  const stage = await setStage({ valves: 2 });
  const [valve, other] = stage.simulator.valves();
  await stage.client.query(
    `insert into tasmart_data_table
       (tasmart_id, "timestamp", "time", measured_flow, measured_power, energy_counter_regime_1, energy_counter_regime_2)
     values ($1, extract(epoch from timestamptz '2026-03-01T07:50:33Z'), '2026-03-01T07:50:33Z', 1, 1, 1, 0)`,
    [valve?.id],
  );
  const since = ['backfill', '--from', '2026-03-01T09:00:00Z', '--to', '2026-03-01T09:45:00Z'];
  expect((await stage.run(since, NO_HISTORY)).code).toBe(0);
  expect((await stage.run(['poll'], NO_HISTORY)).code).toBe(0);
  const rows = await storedRows(stage.client);
  for (const [id, from] of [
    [valve?.id, '2026-03-01T07:45:00Z'],
    [other?.id, '2026-03-01T09:00:00Z'],
  ] as const) {
    const due = boundaryPoints(stage.simulator, id ?? '', instant(from), instant('2026-03-01T10:00:00Z'));
    const own = rows.filter((row) => row.id === id).map(({ us }) => us);
    expect(own).toEqual(expect.arrayContaining(due.slice(id === valve?.id ? 1 : 0).map(({ us }) => us)));
  }
});
