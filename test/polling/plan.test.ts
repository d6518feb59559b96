import { describe, expect, test } from 'vitest';
import { US_PER_DAY, US_PER_HOUR, US_PER_MINUTE, type Micros } from '../../src/domain/time.ts';
import { planFetch, UNKNOWN_VALVE, type PlanSettings } from '../../src/polling/plan.ts';
import { at } from './builder.ts';

const DEFAULTS: PlanSettings = { intervalUs: 15 * US_PER_MINUTE, catchUpUs: 30 * US_PER_DAY, initialHistoryUs: 0 };

function planOf(syncedUntil: string | null, now: string, settings: Partial<PlanSettings> = {}, newest?: Micros | null) {
  const syncedUntilUs = syncedUntil === null ? null : at(syncedUntil);
  const state = { ...UNKNOWN_VALVE, syncedUntilUs, newestReadingUs: newest === undefined ? syncedUntilUs : newest };
  return planFetch(state, at(now), { ...DEFAULTS, ...settings });
}

describe('a first run', () => {
  test('asks for the newest point, as far back as a run repairs', () => {
    expect(planOf(null, '10:20')).toEqual({ kind: 'newest', fromUs: at('10:20') - 30 * US_PER_DAY, sinceUs: null });
  });

  test('asks at whole microseconds, whatever part of a day it repairs', () => {
    const plan = planOf(null, '10:20', { catchUpUs: 0.123_456_789_01 * US_PER_DAY });
    expect(Number.isInteger(plan.fromUs)).toBe(true);
  });

  test('with an initial history asks for all of it, from a boundary on', () => {
    expect(planOf(null, '10:20', { initialHistoryUs: 2 * US_PER_HOUR })).toEqual({
      kind: 'range',
      fromUs: at('08:15'),
      sinceUs: at('08:15'),
    });
  });

  test('with an initial history of less than an interval asks for what is due of it', () => {
    expect(planOf(null, '10:20', { initialHistoryUs: 10 * US_PER_MINUTE })).toEqual({
      kind: 'boundary',
      fromUs: at('10:00'),
      boundaryUs: at('10:15'),
      sinceUs: at('10:00'),
    });
  });
});

describe('a run in step', () => {
  test.each([
    ['at the boundary', '10:15:00.000000'],
    ['just after it', '10:15:00.000001'],
    ['late', '10:29:59.999999'],
  ])('asks for the one boundary that is due: %s', (_when, now) => {
    expect(planOf('10:00', now)).toEqual({
      kind: 'boundary',
      fromUs: at('10:00'),
      boundaryUs: at('10:15'),
      sinceUs: at('10:00'),
    });
  });

  test.each([
    ['again after the boundary was stored', '10:15', '10:29:59.999999', '10:00'],
    ['just before the next boundary', '10:00', '10:14:59.999999', '09:45'],
  ])('asks for the newest point where nothing is due: %s', (_when, synced, now, from) => {
    expect(planOf(synced, now)).toEqual({ kind: 'newest', fromUs: at(from), sinceUs: at(synced) });
  });
});

describe('a run that catches up', () => {
  test('asks for everything since the last whole window', () => {
    expect(planOf('09:45', '10:15:03')).toEqual({ kind: 'range', fromUs: at('09:45'), sinceUs: at('09:45') });
  });

  test('reaches no further back than it is told, to the boundary before', () => {
    const twoHours = { catchUpUs: 2 * US_PER_HOUR };
    expect(planOf('03:00', '10:20', twoHours)).toEqual({ kind: 'range', fromUs: at('08:15'), sinceUs: at('08:15') });
    expect(planOf('08:30', '10:20', twoHours)).toEqual({ kind: 'range', fromUs: at('08:30'), sinceUs: at('08:30') });
  });
});

describe('a valve that HyCloud had no point of', () => {
  const planSince = (newest: Micros | null, settings = {}) => planOf('10:15', '10:30:03', settings, newest);

  test('is asked for all after its newest reading, for HyCloud may show points late', () => {
    const newest = at('09:07:58');
    expect(planSince(newest)).toEqual({ kind: 'range', fromUs: newest, sinceUs: newest });
    expect(planSince(at('10:00'))).toMatchObject({ kind: 'range', fromUs: at('10:00') });
  });

  test('for at most a day, or catch_up_days', () => {
    const longAgo = at('09:15') - 2 * US_PER_DAY;
    const dayAgo = at('10:15') - US_PER_DAY;
    expect(planSince(longAgo)).toEqual({ kind: 'range', fromUs: dayAgo, sinceUs: dayAgo });
    expect(planSince(longAgo, { catchUpUs: US_PER_HOUR })).toMatchObject({ fromUs: at('09:30'), sinceUs: at('09:30') });
  });

  test('is in step as long as it has sent points, or has no reading of that week', () => {
    for (const newest of [at('10:00:01'), at('10:14:58'), at('10:15'), at('10:20'), null])
      expect(planSince(newest)).toMatchObject({ kind: 'boundary', fromUs: at('10:15'), sinceUs: at('10:15') });
  });
});

describe('a valve that the prototype synced off the grid', () => {
  test.each([
    ['within the current window', '10:16:07.25', { kind: 'newest', fromUs: at('10:00'), sinceUs: at('10:16:07.25') }],
    [
      'within the window before: the whole window is due',
      '10:07:03.5',
      { kind: 'boundary', fromUs: at('10:00'), boundaryUs: at('10:15'), sinceUs: at('10:07:03.5') },
    ],
    ['hours ago', '07:59:59.999999', { kind: 'range', fromUs: at('07:45'), sinceUs: at('07:59:59.999999') }],
  ])('%s', (_when, synced, plan) => {
    expect(planOf(synced, '10:20')).toEqual(plan);
  });
});

test("where HyCloud's clock is behind what is synced, nothing is due and nothing moves back", () => {
  expect(planOf('11:00', '10:20')).toEqual({ kind: 'newest', fromUs: at('10:00'), sinceUs: at('11:00') });
});

describe('where the interval was changed', () => {
  test.each([
    ['from 15 to 5: two are due', 5, '10:15', '10:27', { kind: 'range', fromUs: at('10:15'), sinceUs: at('10:15') }],
    [
      'from 15 to 5: one is due',
      5,
      '10:15',
      '10:24',
      { kind: 'boundary', fromUs: at('10:15'), boundaryUs: at('10:20'), sinceUs: at('10:15') },
    ],
    [
      'from 15 to 60, in the middle of an hour: the whole hour is due',
      60,
      '10:15',
      '11:04',
      { kind: 'boundary', fromUs: at('10:00'), boundaryUs: at('11:00'), sinceUs: at('10:15') },
    ],
    [
      'from 15 to 60, before the hour is over',
      60,
      '10:15',
      '10:59',
      { kind: 'newest', fromUs: at('09:00'), sinceUs: at('10:15') },
    ],
  ])('%s', (_how, minutes, synced, now, plan) => {
    expect(planOf(synced, now, { intervalUs: minutes * US_PER_MINUTE })).toEqual(plan);
  });
});
