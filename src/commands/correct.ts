/** `tasmart correct`: adds, lists and undoes corrections of counters. */
import { userInfo } from 'node:os';
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
import { KnownError } from '../domain/errors.ts';
import type { Micros } from '../domain/time.ts';
import { judgeOne } from '../energy/bookkeeping.ts';
import type { Correction } from '../energy/types.ts';
import { changeText, correctionsText, correctionText } from '../reporting/corrections.ts';
import type { CommandContext, OutputFormat } from './context.ts';
import { configuredLimits, judgeStored } from './judging.ts';
import { describeValve, pickValve } from './link.ts';
import { createLog } from './log.ts';
import { show, write } from './output.ts';
import { OPEN_OPTIONS } from './package.ts';
import { loadConfig } from './settings.ts';
import { parseSpan, parseTime } from './time.ts';

export interface CorrectOptions {
  exclude?: true;
  from?: string;
  to?: string;
  replaced?: true;
  at?: string;
  note?: string;
  by?: string;
  list?: true;
  undo?: string;
  format: OutputFormat;
}

/** The parsed command line. */
type Request<C> =
  | { kind: 'list'; valve: string | undefined }
  | { kind: 'undo'; number: number; author: string }
  | { kind: 'add'; valve: string; correction: C; note: string; author: string };

/** A correction whose times are still texts: reading them needs the configured zone. */
type CorrectionText = { kind: 'exclude'; from: string; to: string } | { kind: 'replaced'; at: string };

export async function run(
  options: CorrectOptions,
  { globals, signal, giveUp, args: [valve] }: CommandContext,
): Promise<number> {
  const given = requestOf(options, valve);
  const log = await createLog(globals);
  const config = await loadConfig(globals, ['database'], log);
  const request = withTimes(given, config.timezone, Date.now() * 1000);
  const said = await withDatabase(config.database, { ...OPEN_OPTIONS, giveUp }, async (database) => {
    const valves = await loadMeteredValves(database);
    if (request.kind === 'list') return list(database, valves, request.valve, options.format, config);
    // Before the correction, so that the printed change of the kWh is the correction's alone.
    await judgeStored(database, config, log, { globals, signal });
    signal.throwIfAborted();
    if (request.kind === 'undo') return undo(database, valves, request, config);
    return add(database, pickValve(valves, request.valve), request, config);
  });
  const isForPrograms = request.kind === 'list' && options.format !== 'table';
  await (isForPrograms ? write(said) : show(said));
  return 0;
}

/** @throws KnownError exit 64 */
function requestOf(options: CorrectOptions, valve: string | undefined): Request<CorrectionText> {
  const { exclude, replaced, list, undo, from, to, at, note } = options;
  if ([exclude, replaced, list, undo].filter((given) => given !== undefined).length !== 1) {
    throw usage('give one of --exclude, --replaced, --list and --undo');
  }
  if (list) return { kind: 'list', valve };
  if (undo !== undefined) {
    if (valve !== undefined) throw usage('--undo takes no valve');
    if (!/^[1-9]\d{0,14}$/.test(undo)) throw usage(`--undo ${undo} is not a number of a correction`);
    return { kind: 'undo', number: Number(undo), author: authorOf(options) };
  }
  if (exclude) {
    if (at !== undefined) throw usage('--exclude takes --from and --to, not --at');
    const all = requireAll({ valve, from, to, note });
    return addition(all, { kind: 'exclude', from: all.from, to: all.to }, options);
  }
  if (from !== undefined || to !== undefined) throw usage('--replaced takes --at, not --from and --to');
  const all = requireAll({ valve, at, note });
  return addition(all, { kind: 'replaced', at: all.at }, options);
}

function addition(
  { valve, note }: { valve: string; note: string },
  correction: CorrectionText,
  options: CorrectOptions,
): Request<CorrectionText> {
  return { kind: 'add', valve, correction, note: checkedText('--note', note), author: authorOf(options) };
}

/** @throws KnownError naming everything that is missing */
function requireAll<Name extends string>(given: Record<Name, string | undefined>): Record<Name, string> {
  const names = Object.keys(given) as Name[];
  const missing = names.filter((name) => given[name] === undefined);
  if (missing.length === 0) return given as Record<Name, string>;
  throw usage(`missing ${missing.map((name) => (name === 'valve' ? '<valve>' : `--${name}`)).join(', ')}`);
}

function usage(message: string): KnownError {
  return new KnownError('usage', message, { remedy: '"tasmart correct --help" shows every way to call it' });
}

const MAX_TEXT_LENGTH = 1000;

function checkedText(option: string, text: string): string {
  const trimmed = text.trim();
  if (trimmed === '') throw usage(`${option} is empty`);
  if (trimmed.length > MAX_TEXT_LENGTH) throw usage(`${option} is longer than ${MAX_TEXT_LENGTH} characters`);
  if (/\p{Cc}/u.test(trimmed)) throw usage(`${option} holds a control character`);
  return trimmed;
}

function authorOf({ by }: CorrectOptions): string {
  return checkedText('--by', by ?? osUser());
}

/** Empty if the user has no name, as in a container. */
function osUser(): string {
  try {
    return userInfo().username;
  } catch {
    return '';
  }
}

/** @throws KnownError exit 64 */
function withTimes(request: Request<CorrectionText>, timezone: string, nowUs: Micros): Request<Correction> {
  if (request.kind !== 'add') return request;
  return { ...request, correction: parseCorrection(request.correction, timezone, nowUs) };
}

function parseCorrection(correction: CorrectionText, timezone: string, nowUs: Micros): Correction {
  if (correction.kind === 'exclude') return { kind: 'exclude', ...parseSpan(correction, timezone, nowUs) };
  const atUs = parseTime(correction.at, '--at', timezone, nowUs);
  if (atUs > nowUs) throw new KnownError('usage', `--at ${correction.at} is in the future`);
  return { kind: 'replaced', atUs };
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
  const change = await judgeAgain(database, valve, undone.correction, config, async () => {
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
  const change = await judgeAgain(database, valve, correction, config, async () => {
    await refuseDuplicate(database, valve, correction);
    number = await insertCorrection(database, valve.id, correction, { note, author });
  });
  return `${describeValve(valve)}: correction ${number}: ${correctionText(correction, config.timezone)}\n${change}`;
}

function valveOf(valves: readonly MeteredValve[], { tasmartId }: StoredCorrection): MeteredValve {
  const unknown = { id: tasmartId, shortSn: null, fullSn: null, userId: null, backendRef: null };
  return valves.find(({ id }) => id === tasmartId) ?? unknown;
}

/** @throws KnownError exit 78 */
async function requireReading(
  database: Database,
  valve: MeteredValve,
  correction: Correction,
  { timezone }: Config,
): Promise<void> {
  const span = correction.kind === 'exclude' ? correction : { fromUs: 0, toUs: correction.atUs };
  if (await hasReading(database, valve.id, span)) return;
  const what = correctionText(correction, timezone);
  const lacking = correction.kind === 'exclude' ? 'no reading lies in that span' : 'no reading is older';
  throw new KnownError('config', `${describeValve(valve)}, ${what}: ${lacking}`, {
    remedy: `times without an offset are local (${timezone}); check the times`,
  });
}

/** The valve must be locked (see judgeAgain): two commands at once could both add the correction. @throws KnownError exit 78 */
async function refuseDuplicate(database: Database, valve: MeteredValve, correction: Correction): Promise<void> {
  const inForce = (await loadCorrections(database, valve.id)).filter(({ undone }) => undone === null);
  const same = inForce.find((known) => isDeepStrictEqual(known.correction, correction));
  if (same) throw new KnownError('config', `correction ${same.number} says the same already`);
}

/**
 * Makes or undoes a correction of a valve and judges the valve again, in one transaction. Returns a text about what changed.
 *
 * @throws what the judge throws; then nothing is changed
 */
async function judgeAgain(
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
