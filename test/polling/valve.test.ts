import { describe, expect, test } from 'vitest';
import { US_PER_HOUR, US_PER_MINUTE } from '../../src/domain/time.ts';
import { pointsPathOf } from '../../src/domain/valve.ts';
import { HyCloudError } from '../../src/hycloud/errors.ts';
import { at, fakeHyCloud, reading, readings, VALVE } from './builder.ts';
import { DAY, poll, server } from './valve-builder.ts';

const SERVER_ERROR = new HyCloudError('server', pointsPathOf(VALVE), 'HTTP 503', { status: 503 });

describe('a valve in step', () => {
  test('costs one small request where its boundary reading is younger than a minute', async () => {
    const now = '10:15:03';
    expect(await poll(server(DAY, { now }), { now, synced: '10:00' })).toMatchObject({
      readings: ['10:14:58'],
      newest: '10:14:58',
      synced: '10:15:00',
      silent: false,
      failed: null,
      requests: 1,
    });
  });

  test('has its newest point too, later on', async () => {
    const now = '10:20:03';
    expect(await poll(server(DAY, { now }), { now, synced: '10:00' })).toMatchObject({
      readings: ['10:14:58', '10:19:58'],
      synced: '10:15:00',
      requests: 2,
    });
  });

  test('polled again, has its newest point only', async () => {
    const now = '10:20:03';
    const again = { now, synced: '10:15', boundaryReading: '10:14:58' };
    expect(await poll(server(DAY, { now }), again)).toMatchObject({ readings: ['10:19:58'], synced: '10:15:00' });
  });

  test('polled again at once, has nothing new', async () => {
    const now = '10:15:30';
    const again = { now, synced: '10:15', boundaryReading: '10:14:58' };
    expect(await poll(server(DAY, { now }), again)).toMatchObject({ readings: [], newest: '10:15:28', silent: false });
  });

  test('that sent nothing is silent, and synced all the same', async () => {
    const now = '10:15:03';
    const old = readings('09:59:58');
    expect(await poll(server(old, { now }), { now, synced: '10:00' })).toMatchObject({
      readings: [],
      newest: null,
      silent: true,
      synced: '10:15:00',
      failed: null,
    });
  });

  test('that a HyCloud without sense for bounds or limits answers for, costs a request more and loses nothing', async () => {
    const now = '10:15:03';
    const hycloud = server(DAY, { now, ignores: ['to', 'limit'], echo: 'honest' });
    expect(await poll(hycloud, { now, synced: '10:00' })).toMatchObject({ readings: ['10:14:58'], synced: '10:15:00' });
  });
});

describe('a first run', () => {
  test('stores the newest point only', async () => {
    const now = '10:20:03';
    expect(await poll(server(DAY, { now }), { now })).toMatchObject({
      readings: ['10:19:58'],
      synced: '10:15:00',
      requests: 1,
    });
  });

  test('stores the newest point of a valve that has long been silent', async () => {
    const now = '10:20:03';
    expect(await poll(server(readings('06:00:00'), { now }), { now })).toMatchObject({
      readings: ['06:00:00'],
      silent: true,
      synced: '10:15:00',
    });
  });

  test('with an initial history stores its boundaries and the newest point', async () => {
    const now = '10:20:03';
    const settings = { initialHistoryUs: US_PER_HOUR };
    expect(await poll(server(DAY, { now }), { now, settings })).toMatchObject({
      readings: ['09:29:58', '09:44:58', '09:59:58', '10:14:58', '10:19:58'],
      synced: '10:15:00',
    });
  });

  test('that failed is where the next one goes on from, the window it fell into included', async () => {
    const hycloud = server(DAY, { now: '10:20:03', failing: { 1: SERVER_ERROR } });
    expect(await poll(hycloud, { now: '10:20:03' })).toMatchObject({ readings: [], synced: '10:00:00', silent: false });
  });

  test('that failed amid its fallback stores nothing: what it saw last is not the newest point', async () => {
    const quirks = { now: '10:20:03', cap: 100, ignores: ['to'] as const, failing: { 3: SERVER_ERROR } };
    const future = reading(at('10:22'));
    const hycloud = fakeHyCloud([...DAY.filter(({ timeUs }) => timeUs <= at('10:20:03')), future], quirks);
    expect(await poll(hycloud, { now: '10:20:03' })).toMatchObject({ readings: [], synced: '10:00:00', requests: 3 });
  });
});

describe("HyCloud's clocks", () => {
  test('syncedUntil is never past the clock of the answer', async () => {
    const hycloud = server(DAY, { now: '10:15:03', clocksUs: [at('10:14:59')] });
    expect(await poll(hycloud, { now: '10:15:03', synced: '10:00' })).toMatchObject({
      readings: ['10:14:58'],
      synced: '10:00:00',
    });
  });

  test('a clock behind what is synced moves nothing back', async () => {
    expect(await poll(server(DAY, { now: '10:20:03' }), { now: '10:20:03', synced: '11:00' })).toMatchObject({
      readings: ['10:19:58'],
      synced: '11:00:00',
    });
  });

  test('a clock rounded down to the second costs no point', async () => {
    const points = readings('10:14:58', '10:20:03.9');
    const hycloud = fakeHyCloud(points, { clocksUs: [at('10:20:03')] });
    expect(await poll(hycloud, { now: '10:20:03', synced: '10:00' })).toMatchObject({ newest: '10:20:03.900000' });
  });
});

describe('other grids', () => {
  test('off the grid, from the prototype: the window it left half stored is completed', async () => {
    const now = '10:20:03';
    expect(await poll(server(DAY, { now }), { now, synced: '10:07:28' })).toMatchObject({
      readings: ['10:14:58', '10:19:58'],
      synced: '10:15:00',
    });
  });

  test('from 15 to 5 minutes', async () => {
    const now = '10:21:00';
    const settings = { intervalUs: 5 * US_PER_MINUTE };
    expect(await poll(server(DAY, { now }), { now, synced: '10:00', settings })).toMatchObject({
      readings: ['10:04:58', '10:09:58', '10:14:58', '10:19:58', '10:20:58'],
      synced: '10:20:00',
    });
  });

  test('from 15 to 60 minutes', async () => {
    const now = '11:00:10';
    const settings = { intervalUs: US_PER_HOUR };
    expect(await poll(server(DAY, { now }), { now, synced: '10:15', settings })).toMatchObject({
      readings: ['10:59:58'],
      synced: '11:00:00',
    });
  });
});
