/** `tasmart verify`: recomputes the stored kWh, and compares them with measured power. */
import { loadConsumption, type Consumption, type MeteredValve } from '../database/consumption.ts';
import type { Database } from '../database/connection.ts';
import { loadCorrectionsInForce } from '../database/corrections.ts';
import { isUnjudged, loadStoredLimits } from '../database/judgements.ts';
import { loadOldestReading } from '../database/counter-readings.ts';
import type { CounterResult } from '../database/energy.ts';
import { DatabaseError } from '../database/errors.ts';
import { loadEvents, type StoredEvent } from '../database/events.ts';
import { withDatabase } from '../database/open.ts';
import { EXIT_STATUS, KnownError } from '../domain/errors.ts';
import { US_PER_DAY, US_PER_SECOND, type Span } from '../domain/time.ts';
import { recompute } from '../energy/bookkeeping.ts';
import { sumBucket } from '../energy/buckets.ts';
import { comparePower } from '../energy/plausibility.ts';
import { isExcluded } from '../energy/readings.ts';
import { MICRO_PER_KWH, type Limits, type QuarterHour } from '../domain/energy.ts';
import { createValveProgress } from '../reporting/progress.ts';
import { isSound, verdictOf, verifyText, type Difference, type Verification } from '../reporting/verify.ts';
import { loadChosenValves, type Choice } from './shared/choice.ts';
import type { CommandContext, OutputFormat } from './shared/context.ts';
import { configuredLimits, judgeStored } from './shared/judging.ts';
import { createLog, progressTerminal } from './shared/log.ts';
import { print, stdoutScreen } from './shared/output.ts';
import { OPEN_OPTIONS } from './shared/package.ts';
import { loadConfig } from './shared/settings.ts';
import { parseSpan } from './shared/time.ts';

export interface VerifyOptions extends Choice {
  from: string;
  to?: string;
  format: OutputFormat;
}

/**
 * Compares the stored kWh and events with what the readings give now, and the counters with measured power. Exit 1 if either
 * disagrees, if a valve cannot be verified, and if there is no reading to compare.
 */
export async function run(options: VerifyOptions, context: CommandContext): Promise<number> {
  const { globals, signal, giveUp } = context;
  const log = await createLog(globals);
  const config = await loadConfig(globals, ['database'], log);
  const { timezone } = config;
  const span = parseSpan(options, timezone, Date.now() * 1000);
  const progress = createValveProgress(progressTerminal(globals), log, 'verifying');
  const verified: Verification[] = [];
  let failed = 0;
  await withDatabase(config.database, { ...OPEN_OPTIONS, giveUp }, async (database) => {
    await judgeStored(database, config, log, context);
    const limits = (await loadStoredLimits(database)) ?? configuredLimits(config);
    const valves = await loadChosenValves(database, options);
    try {
      for (const [index, valve] of valves.entries()) {
        signal.throwIfAborted();
        try {
          verified.push(await verifyValve(database, valve, span, limits));
        } catch (error) {
          if (database.lost.aborted || error instanceof DatabaseError) throw error;
          failed += 1;
          const cause = error instanceof KnownError ? { remedy: error.remedy } : { err: error };
          const reason = error instanceof Error ? error.message : String(error);
          log.error({ tasmart_id: valve.id, ...cause }, `a valve could not be verified: ${reason}`);
        }
        progress.update(index + 1, valves.length);
      }
    } finally {
      progress.stop();
    }
  });
  const result = { valves: verified, failed };
  const screen = stdoutScreen();
  const text = verifyText(options.format, result, { timezone, screen });
  await print(options.format, text, screen);
  if (isSound(result)) return 0;
  // The table ends with the verdict. Do not show it twice on one terminal.
  const isShown = options.format === 'table' && process.stdout.isTTY && process.stderr.isTTY;
  if (!isShown) log.error(verdictOf(result));
  return EXIT_STATUS.check;
}

/** The days show whether the stored totals go on from one UTC day to the next. In this zone they begin at noon UTC. */
const COMPARED = [
  { bucket: '15min', timezone: 'UTC' },
  { bucket: 'day', timezone: 'Etc/GMT+12' },
] as const;

/** Reads everything in one snapshot, because a poll may store readings meanwhile. */
async function verifyValve(database: Database, valve: MeteredValve, span: Span, limits: Limits): Promise<Verification> {
  return database.transaction(async () => {
    await database.query('set transaction isolation level repeatable read, read only');
    const isJudged = !(await isUnjudged(database, valve.id));
    // From a day before, so that the first quarter of an hour of the span is complete.
    const judged = await recompute(database, valve.id, span.fromUs - US_PER_DAY, limits);
    const { readings, results } = judged ?? { readings: [], results: [] };
    const differences: Difference[] = [];
    let quarterHours = 0;
    for (const { bucket, timezone } of isJudged ? COMPARED : []) {
      const stored = await loadConsumption(database, valve.id, { ...span, bucket, timezone });
      if (bucket === '15min') quarterHours = stored.filter(({ kwh }) => kwh !== null).length;
      for (const row of [...stored, ...bucketsNotStored(stored, results)]) {
        const recomputed = results.find(({ regime }) => regime === row.regime);
        const difference = compareBucket(row, recomputed?.quarters ?? []);
        if (difference) differences.push({ bucket, ...difference });
      }
    }
    const events = isJudged ? await compareEvents(database, valve.id, span, results) : { missing: 0, extra: 0 };
    const readingsInSpan = readings.filter(({ timeUs }) => timeUs >= span.fromUs && timeUs < span.toUs);
    const oldest = await loadOldestReading(database, valve.id);
    const corrections = (await loadCorrectionsInForce(database, [valve.id])).get(valve.id) ?? [];
    const visible = readings.filter(({ timeUs }) => !isExcluded(timeUs, corrections));
    const comparison = comparePower(visible, results, span, limits, oldest);
    return { valve, isJudged, readings: readingsInSpan.length, quarterHours, differences, events, comparison };
  });
}

/** tasmart_consumption leaves out a second counter of which nothing is stored. The first has every bucket. */
function bucketsNotStored(stored: readonly Consumption[], results: readonly CounterResult[]): Consumption[] {
  const lost = results.filter(({ regime }) => !stored.some((row) => row.regime === regime));
  const ofFirst = stored.filter((row) => row.regime === 1);
  return lost.flatMap(({ regime }) =>
    ofFirst.map((row) => ({ ...row, regime, kwh: null, coverage: '0', quality: 'missing' as const })),
  );
}

/** How many events of the span are not stored, and how many are stored that the readings do not give. */
async function compareEvents(
  database: Database,
  tasmartId: string,
  span: Span,
  results: readonly CounterResult[],
): Promise<Verification['events']> {
  const keyOf = ({ regime, kind, fromUs, toUs, fromKwh, toKwh, strayKwh, countedKwh }: StoredEvent) =>
    JSON.stringify([regime, kind, fromUs, toUs, fromKwh, toKwh, strayKwh, countedKwh]);
  const stored = (await loadEvents(database, [tasmartId], span)).get(tasmartId) ?? [];
  const recomputed = results.flatMap(({ regime, events }) => {
    const inSpan = events.filter(({ fromUs, toUs }) => toUs > span.fromUs && fromUs < span.toUs);
    return inSpan.map((event) => ({ ...event, regime, countedKwh: event.countedMicroKwh / MICRO_PER_KWH }));
  });
  const [storedKeys, recomputedKeys] = [stored.map(keyOf), recomputed.map(keyOf)];
  return {
    missing: countWithout(recomputedKeys, storedKeys),
    extra: countWithout(storedKeys, recomputedKeys),
  };
}

/** How many of the keys have no partner among the others. A key that stands twice needs two partners. */
function countWithout(keys: readonly string[], others: readonly string[]): number {
  const partners = new Map<string, number>();
  for (const key of others) partners.set(key, (partners.get(key) ?? 0) + 1);
  return keys.filter((key) => {
    const left = partners.get(key) ?? 0;
    partners.set(key, left - 1);
    return left <= 0;
  }).length;
}

/** Null: they agree. */
function compareBucket(stored: Consumption, quarters: readonly QuarterHour[]): Omit<Difference, 'bucket'> | null {
  const { microKwh, coveredSeconds, quality } = sumBucket(quarters, { fromUs: stored.startUs, toUs: stored.endUs });
  const seconds = (stored.endUs - stored.startUs) / US_PER_SECOND;
  const recomputed = {
    kwh: microKwh === null ? null : microKwh / MICRO_PER_KWH,
    coverage: coveredSeconds / seconds,
    quality,
  };
  const kwh = stored.kwh === null ? null : Number(stored.kwh);
  const coverage = Number(stored.coverage);
  const agrees =
    kwh === recomputed.kwh && Math.abs(coverage - recomputed.coverage) < 1e-6 && stored.quality === quality;
  if (agrees) return null;
  const { regime, startUs } = stored;
  return { regime, startUs, stored: { kwh, coverage, quality: stored.quality }, recomputed };
}
