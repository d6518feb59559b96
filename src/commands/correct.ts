/** `tasmart correct`: adds, lists and undoes corrections of counters. */
import { isDeepStrictEqual } from 'node:util';
import type { Config } from '../config/config.ts';
import { loadConsumption, loadMeteredValves, type Consumption, type MeteredValve } from '../database/consumption.ts';
import type { Database } from '../database/connection.ts';
import { hasReading, loadExtent } from '../database/counter-readings.ts';
import { lockJudgement, markUnjudged } from '../database/judgements.ts';
import {
  insertCorrection,
  loadCorrection,
  loadCorrections,
  undoCorrection,
  type StoredCorrection,
} from '../database/corrections.ts';
import { withDatabase } from '../database/open.ts';
import { EXIT_STATUS, KnownError } from '../domain/errors.ts';
import { judgeOne, type JudgeFailure } from '../energy/bookkeeping.ts';
import type { Correction } from '../domain/energy.ts';
import { changeText, correctionsText, correctionText } from '../reporting/corrections.ts';
import type { CommandContext, OutputFormat } from './shared/context.ts';
import { parseRequest, parseTimes, type CorrectOptions } from './correct/request.ts';
import { configuredLimits, judgeStored } from './shared/judging.ts';
import { createLog } from './shared/log.ts';
import { print, show } from './shared/output.ts';
import { OPEN_OPTIONS } from './shared/package.ts';
import { describeValve, pickValve } from './shared/pick-valve.ts';
import { loadConfig } from './shared/settings.ts';

/** Exit 2 if readings of any valve could not be judged. */
export async function run(
  options: CorrectOptions,
  { globals, signal, giveUp, args: [valve] }: CommandContext,
): Promise<number> {
  const requestWithoutTimes = parseRequest(options, valve);
  const log = await createLog(globals);
  const config = await loadConfig(globals, ['database'], log);
  const request = parseTimes(requestWithoutTimes, config.timezone, Date.now() * 1000);
  let unjudged: JudgeFailure[] = [];
  const text = await withDatabase(config.database, { ...OPEN_OPTIONS, giveUp }, async (database) => {
    const valves = await loadMeteredValves(database);
    if (request.kind === 'list') return list(database, valves, request.valve, options.format, config);
    // Before the correction, so that the printed change of the kWh is the correction's alone.
    unjudged = await judgeStored(database, config, log, { globals, signal });
    signal.throwIfAborted();
    if (request.kind === 'undo') return undo(database, valves, request, config);
    return add(database, pickValve(valves, request.valve), request, config);
  });
  await (request.kind === 'list' ? print(options.format, text) : show(text));
  return unjudged.length > 0 ? EXIT_STATUS.partial : 0;
}

async function list(
  database: Database,
  valves: readonly MeteredValve[],
  wanted: string | undefined,
  format: OutputFormat,
  { timezone }: Config,
): Promise<string> {
  const valve = wanted === undefined ? null : pickValve(valves, wanted);
  const corrections = await loadCorrections(database, valve?.id ?? null);
  const listed = corrections.map((correction) => ({ ...correction, valve: valveOf(valves, correction) }));
  return correctionsText(format, listed, timezone);
}

async function undo(
  database: Database,
  valves: readonly MeteredValve[],
  { number, author }: { number: number; author: string },
  config: Config,
): Promise<string> {
  const undone = await loadCorrection(database, number);
  const remedy = '"tasmart correct --list" shows all of them';
  if (!undone) throw new KnownError('config', `there is no correction ${number}`, { remedy });
  const valve = valveOf(valves, undone);
  const change = await changeAndJudge(database, valve, undone.correction, config, async () => {
    if (await undoCorrection(database, number, author)) return;
    throw new KnownError('config', `correction ${number} is undone already`, { remedy });
  });
  const text = correctionText(undone.correction, config.timezone);
  return `${describeValve(valve)}: correction ${number} undone (${text})\n${change}`;
}

async function add(
  database: Database,
  valve: MeteredValve,
  { correction, note, author }: { correction: Correction; note: string; author: string },
  config: Config,
): Promise<string> {
  await requireReading(database, valve, correction, config);
  let number = 0;
  const change = await changeAndJudge(database, valve, correction, config, async () => {
    await refuseDuplicate(database, valve, correction);
    number = await insertCorrection(database, valve.id, correction, { note, author });
  });
  return `${describeValve(valve)}: correction ${number}: ${correctionText(correction, config.timezone)}\n${change}`;
}

/** The valve of a correction. If all its readings were deleted, only its id is known. */
function valveOf(valves: readonly MeteredValve[], { tasmartId }: StoredCorrection): MeteredValve {
  const withoutReadings = { id: tasmartId, shortSn: null, fullSn: null, userId: null, backendRef: null };
  return valves.find(({ id }) => id === tasmartId) ?? withoutReadings;
}

/** @throws KnownError exit 78: no reading would be excluded, or precedes the new counter */
async function requireReading(
  database: Database,
  valve: MeteredValve,
  correction: Correction,
  { timezone }: Config,
): Promise<void> {
  const span = correction.kind === 'exclude' ? correction : { fromUs: 0, toUs: correction.atUs };
  if (await hasReading(database, valve.id, span)) return;
  const lacking = correction.kind === 'exclude' ? 'no reading lies in that span' : 'no reading is older';
  throw new KnownError('config', `${describeValve(valve)}, ${correctionText(correction, timezone)}: ${lacking}`, {
    remedy: `times without an offset are local (${timezone}); check the times`,
  });
}

/**
 * Lock the valve before (see changeAndJudge): two commands at once could both add the correction.
 *
 * @throws KnownError exit 78
 */
async function refuseDuplicate(database: Database, valve: MeteredValve, correction: Correction): Promise<void> {
  const inForce = (await loadCorrections(database, valve.id)).filter(({ undone }) => undone === null);
  const same = inForce.find((earlier) => isDeepStrictEqual(earlier.correction, correction));
  if (same) throw new KnownError('config', `correction ${same.number} says the same already`);
}

/**
 * Makes or undoes a correction of a valve and judges the valve again, in one transaction. Returns a text about what changed.
 *
 * @throws what the judge throws; then nothing is changed
 */
async function changeAndJudge(
  database: Database,
  valve: MeteredValve,
  correction: Correction,
  config: Config,
  change: () => Promise<void>,
): Promise<string> {
  return database.transaction(async () => {
    await lockJudgement(database, valve.id);
    const before = await loadDays(database, valve, config);
    await change();
    const unjudgedSinceUs = correction.kind === 'exclude' ? correction.fromUs : correction.atUs;
    await markUnjudged(database, [{ tasmartId: valve.id, unjudgedSinceUs }]);
    await judgeOne(database, valve.id, configuredLimits(config));
    return changeText(before, await loadDays(database, valve, config), config.timezone);
  });
}

/** All days of a valve. */
async function loadDays(database: Database, valve: MeteredValve, { timezone }: Config): Promise<Consumption[]> {
  const extent = await loadExtent(database, valve.id);
  if (!extent) return [];
  const span = { fromUs: extent.oldestUs, toUs: extent.newestUs };
  return loadConsumption(database, valve.id, { ...span, bucket: 'day', timezone });
}
