import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { withConnection } from '../../src/database/connection.ts';
import { formatRfc3339, US_PER_HOUR, US_PER_MINUTE, US_PER_SECOND } from '../../src/domain/time.ts';
import { HyCloudError } from '../../src/hycloud/errors.ts';
import { backfill, cutToPages } from '../../src/polling/backfill.ts';
import type { PollReport } from '../../src/polling/report.ts';
import { freshDatabase, type TestDatabase } from '../support/database.ts';
import { at, fakeHyCloud, fakeProjects, reading, valveNamed, type Quirks } from './builder.ts';

/** A point every 15 s from 06:00:13 to 09:00. */
const POINTS = Array.from({ length: 720 }, (_, n) => reading(at('06:00:13') + n * 15 * US_PER_SECOND, n));

let database: TestDatabase;

beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.drop());

function run(id: string, quirks: Partial<Quirks>): Promise<PollReport> {
  const projects = fakeProjects([{ id: `project-${id}`, name: 'P', valves: [valveNamed(id)], unreadable: [] }]);
  const { getPoints, serverTimeUs } = fakeHyCloud(POINTS, { clocksUs: [at('09:05')], ...quirks });
  const settings = {
    account: { name: '', server: 'https://example.com/', keyId: 'key' },
    later: [],
    isOneOfSeveral: false,
    targets: [{ projectId: `project-${id}`, projectName: null, valves: [] }],
    only: [],
    properties: ['measured_flow'] as const,
    intervalMinutes: 15,
    maxConcurrency: 1,
    span: { fromUs: at('06:07'), toUs: Infinity },
  };
  const connection = { ...database, sslMode: 'disable' as const, sslCaFile: null };
  return withConnection(connection, { applicationName: 'test', giveUp: new AbortController().signal }, (session) =>
    backfill(
      {
        hycloud: { ...projects, getPoints, serverTimeUs },
        database: session,
        log: pino({ level: 'silent' }),
        onPlan: () => undefined,
        onProgress: () => undefined,
      },
      settings,
    ),
  );
}

async function storedOf(id: string): Promise<string[]> {
  const client = await database.client();
  const text = 'select timestamp::float8 as s from tasmart_data_table where tasmart_id = $1 order by 1';
  const { rows } = await client.query<{ s: number }>(text, [id]);
  return rows.map(({ s }) => formatRfc3339(s * US_PER_SECOND).slice(11, 19));
}

const ALL = [
  ...['06:14:58', '06:29:58', '06:44:58', '06:59:58', '07:14:58', '07:29:58', '07:44:58', '07:59:58'],
  ...['08:14:58', '08:29:58', '08:44:58', '08:59:58'],
];

test('stores the last point of every window, and nothing of it twice', async () => {
  expect(await run('whole', {})).toMatchObject({ valves: 1, stored: 12 });
  expect(await storedOf('whole')).toEqual(ALL);
  expect(await run('whole', {})).toMatchObject({ valves: 1, stored: 0 });
});

test('that failed amid a window stores nothing of it, and all of it the next time', async () => {
  const error = new HyCloudError('server', 'x', 'HTTP 503', { status: 503 });
  const report = await run('failed', { cap: 100, failing: { 3: error } });
  expect(report.failures).toMatchObject([{ valve: { id: 'failed' }, reason: error.message }]);
  // Two pages reach to about 06:49.
  expect(await storedOf('failed')).toEqual(['06:14:58', '06:29:58', '06:44:58']);
  await run('failed', {});
  expect(await storedOf('failed')).toEqual(ALL);
});

describe('a span is cut into pieces of whole windows that fit a page', () => {
  test.each([
    [15 * US_PER_MINUTE, 8.25 * US_PER_HOUR],
    [US_PER_HOUR, 8 * US_PER_HOUR],
    [US_PER_MINUTE, 8.25 * US_PER_HOUR],
  ])('every %d µs', (intervalUs, pieceUs) => {
    const pieces = cutToPages({ fromUs: at('00:00'), toUs: at('20:00') }, intervalUs);
    expect(pieces).toEqual([
      { fromUs: at('00:00'), toUs: at('00:00') + pieceUs },
      { fromUs: at('00:00') + pieceUs, toUs: at('00:00') + 2 * pieceUs },
      { fromUs: at('00:00') + 2 * pieceUs, toUs: at('20:00') },
    ]);
  });

  test('an empty one into none', () => {
    expect(cutToPages({ fromUs: at('10:00'), toUs: at('10:00') }, 15 * US_PER_MINUTE)).toEqual([]);
  });
});
