import { describe, expect, test } from 'vitest';
import { pointsPathOf } from '../../src/domain/valve.ts';
import { HyCloudError } from '../../src/hycloud/errors.ts';
import { at, readings, VALVE } from './builder.ts';
import { DAY, poll, server } from './valve-builder.ts';

const SERVER_ERROR = new HyCloudError('server', pointsPathOf(VALVE), 'HTTP 503', { status: 503 });

describe('a failure keeps syncedUntil before what was not read', () => {
  test('the boundary', async () => {
    const hycloud = server(DAY, { now: '10:15:03', failing: { 1: SERVER_ERROR } });
    expect(await poll(hycloud, { now: '10:15:03', synced: '10:00' })).toMatchObject({
      readings: [],
      synced: '10:00:00',
      failure: { error: SERVER_ERROR },
    });
  });

  test('the newest point, with the boundary read', async () => {
    const hycloud = server(DAY, { now: '10:20:03', failing: { 2: SERVER_ERROR } });
    expect(await poll(hycloud, { now: '10:20:03', synced: '10:00' })).toMatchObject({
      readings: ['10:14:58'],
      synced: '10:15:00',
      failed: 'HyCloud, GET ta-smart/valve-1/data/points: HTTP 503',
    });
  });

  test('page 3 of 5: of the window that was read in part, nothing is stored', async () => {
    const now = '10:20:03';
    const hycloud = server(DAY, { now, cap: 230, failing: { 3: SERVER_ERROR } });
    const first = await poll(hycloud, { now, synced: '06:00' });
    // Two pages reach to about 07:54.
    expect(first.readings).toEqual([
      ...['06:14:58', '06:29:58', '06:44:58', '06:59:58', '07:14:58', '07:29:58', '07:44:58'],
    ]);
    expect(first).toMatchObject({ synced: '07:45:00', requests: 3, silent: false });
  });

  test('and the run after it stores exactly what was missing', async () => {
    const now = '10:20:03';
    const whole = await poll(server(DAY, { now }), { now, synced: '06:00' });
    const first = await poll(server(DAY, { now, cap: 230, failing: { 5: SERVER_ERROR } }), { now, synced: '06:00' });
    const second = await poll(server(DAY, { now }), { now, synced: first.synced });
    expect([...first.readings, ...second.readings]).toEqual(whole.readings);
    expect(second).toMatchObject({ synced: '10:15:00', failed: null });
  });

  test('credentials that are refused end the run', async () => {
    const refused = new HyCloudError('unauthorized', pointsPathOf(VALVE), 'HTTP 401', { status: 401 });
    const hycloud = server(DAY, { now: '10:15:03', failing: { 1: refused } });
    await expect(poll(hycloud, { now: '10:15:03', synced: '10:00' })).rejects.toBe(refused);
  });

  test('a defect of ours is no failure of the valve', async () => {
    const hycloud = { ...server(DAY, { now: '10:15:03' }), getPoints: () => Promise.reject(new TypeError('defect')) };
    await expect(poll(hycloud, { now: '10:15:03', synced: '10:00' })).rejects.toThrow(TypeError);
  });
});

describe('a point that makes no sense', () => {
  const catchUp = { now: '10:20:03', synced: '09:00' };
  const withNonsense = (point: string, dated = true) =>
    server(DAY, { now: '10:20:03', nonsense: [{ timeUs: at(point), dated }] });
  const all = ['09:14:58', '09:29:58', '09:44:58', '09:59:58', '10:14:58', '10:19:58'];

  test.each([
    ['in an early window', '09:20:00', '09:15:00'],
    ['exactly on a boundary: of the window that ends there', '09:30:00', '09:15:00'],
    ['just after it', '09:30:00.000001', '09:30:00'],
    ['in the window that is not over', '10:16:00', '10:15:00'],
  ])('keeps syncedUntil before its window, and costs no other point: %s', async (_where, point, synced) => {
    expect(await poll(withNonsense(point), catchUp)).toMatchObject({
      readings: all,
      synced,
      silent: false,
      failed: '1 of its points make no sense and were not stored: nonsense',
      failure: { error: null },
    });
  });

  test('without a time keeps syncedUntil where it was', async () => {
    expect(await poll(withNonsense('09:20:00', false), catchUp)).toMatchObject({ readings: all, synced: '09:00:00' });
  });

  test('from the future keeps syncedUntil from nothing that is over', async () => {
    const hycloud = server(DAY, { now: '10:20:03', ignores: ['to'], nonsense: [{ timeUs: at('22:00'), dated: true }] });
    expect(await poll(hycloud, catchUp)).toMatchObject({ readings: all, synced: '10:15:00', silent: false });
  });

  test.each(['10:14:59', '10:10:00'])(
    'as the one answer for the boundary keeps syncedUntil where it was: %s',
    async (point) => {
      const points = readings('10:05:00');
      const hycloud = server(points, { now: '10:15:30', nonsense: [{ timeUs: at(point), dated: true }] });
      expect(await poll(hycloud, { now: '10:15:30', synced: '10:00' })).toMatchObject({
        readings: [],
        synced: '10:00:00',
      });
    },
  );

  test('as the newest point of a first run leaves the valve as it was', async () => {
    const hycloud = server([], { now: '10:15:30', nonsense: [{ timeUs: at('10:15:00'), dated: true }] });
    expect(await poll(hycloud, { now: '10:15:30' })).toMatchObject({ readings: [], synced: null, silent: false });
  });
});
