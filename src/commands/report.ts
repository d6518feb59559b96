/** `tasmart report`: writes one page with everything about the valves. */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { DateTime } from 'luxon';
import type { Config } from '../config/config.ts';
import { loadMeteredValves, type MeteredValve } from '../database/consumption.ts';
import type { Database } from '../database/connection.ts';
import { loadEvents } from '../database/events.ts';
import { withDatabase } from '../database/open.ts';
import { loadEnergy, loadValveFacts, type ValveFacts } from '../database/report.ts';
import { loadReadings } from '../database/report-readings.ts';
import { loadRegisteredValves } from '../database/status.ts';
import { EXIT_STATUS, KnownError } from '../domain/errors.ts';
import { localDayStart } from '../domain/local-day.ts';
import { count } from '../domain/text.ts';
import { US_PER_DAY, US_PER_HOUR, type Micros, type Span } from '../domain/time.ts';
import { valveLabel } from '../domain/valve.ts';
import { dayStarts } from '../reporting/report/completeness.ts';
import type { ReportFrame, ValveReport } from '../reporting/report/data.ts';
import { createPage } from '../reporting/report/html.ts';
import { valveReport, type ReportSpan, type ValveRecord } from '../reporting/report/valve-report.ts';
import type { Status } from '../reporting/status.ts';
import { chooseValves, isEverything, type Choice } from './shared/choice.ts';
import type { CommandContext } from './shared/context.ts';
import { judgeStored } from './shared/judging.ts';
import { createLog } from './shared/log.ts';
import { OPEN_OPTIONS, REPORT_DIR, VERSION } from './shared/package.ts';
import { replaceFile, tryToReplace } from './shared/replace-file.ts';
import { loadConfig } from './shared/settings.ts';
import { defaultMaxAgeUs, loadStatus } from './status.ts';
import { parseSpan, parseTime, zoneOf } from './shared/time.ts';

export interface ReportOptions extends Choice {
  out: string;
  from?: string;
  to?: string;
  tz?: string;
}

/** Makes the page from the database alone. Does not ask HyCloud. Exit 2 if readings of a valve could not be judged. */
export async function run(options: ReportOptions, { globals, signal, giveUp }: CommandContext): Promise<number> {
  const log = await createLog(globals);
  const config = await loadConfig(globals, ['database'], log);
  const span = reportSpan(options, config, Date.now() * 1000);
  if (options.out !== '-') await requireWritable(options.out);
  const assets = { script: await readAsset('page.js'), style: await readAsset('page.css') };
  const { status, valveCount, parts } = await withDatabase(
    config.database,
    { ...OPEN_OPTIONS, giveUp },
    async (database) => {
      const failures = await judgeStored(database, config, log, { globals, signal });
      const { frame, valves } = await openReport(database, config, span, { choice: options, signal });
      if (frame.valveCount === 0) log.warn('the report is empty: no valve was polled yet. Run "tasmart poll"');
      const page = createPage(frame, assets);
      for await (const valve of valves) page.add(valve);
      const status = failures.length > 0 ? EXIT_STATUS.partial : 0;
      return { status, valveCount: frame.valveCount, parts: page.parts() };
    },
  );
  if (options.out === '-') {
    for (const part of parts) process.stdout.write(part);
    return status;
  }
  await replaceFile(options.out, parts).catch((cause: unknown) => {
    throw unwritableError(options.out, cause);
  });
  const bytes = parts.reduce((sum, part) => sum + Buffer.byteLength(part), 0);
  process.stdout.write(`${options.out}: ${sizeText(bytes)}, ${count(valveCount, 'valve')}\n`);
  return status;
}

/** Local days that the report covers without --from. The last one ends at --to, and may be incomplete. */
const DEFAULT_DAYS = 7;

function reportSpan(options: ReportOptions, config: Config, nowUs: Micros): ReportSpan {
  const timezone = zoneOf(options, config);
  const { from, to } = options;
  const common = { nowUs, timezone, intervalMinutes: config.intervalMinutes };
  if (from !== undefined) return { ...common, ...parseSpan({ ...options, from }, timezone, nowUs) };
  const toUs = to === undefined ? nowUs : parseTime(to, '--to', timezone, nowUs);
  return { ...common, fromUs: localDayStart(toUs - 1, timezone, 1 - DEFAULT_DAYS), toUs };
}

/**
 * The same hours of the day, as few whole days earlier as possible. Where a clock change would make it overlap this span, it ends
 * where this span begins.
 */
function previousSpan({ fromUs, toUs, timezone }: ReportSpan): Span {
  const local = (timeUs: Micros) => DateTime.fromMillis(Math.floor(timeUs / 1000), { zone: timezone });
  const days = Math.ceil(local(toUs).diff(local(fromUs), 'days').days); // a day of 25 hours is one
  const earlier = (timeUs: Micros): Micros => local(timeUs).minus({ days }).toMillis() * 1000;
  return { fromUs: earlier(fromUs), toUs: Math.min(earlier(toUs), fromUs) };
}

/** Longer spans show energy by day, not by hour. The extra hour is for a daylight saving change. */
const MAX_HOURLY_US = 62 * US_PER_DAY + US_PER_HOUR;

export interface OpenReport {
  frame: ReportFrame;
  /** one valve after the other, in the order of the page */
  valves: AsyncIterable<ValveReport>;
}

/** Loads the frame of the page. Its valves are loaded as they are taken. @throws DatabaseError; KnownError, see chooseValves */
export async function openReport(
  database: Database,
  config: Config,
  span: ReportSpan,
  { choice, signal }: { choice: Choice; signal: AbortSignal },
): Promise<OpenReport> {
  const { status, described } = await describeValves(database, config, choice);
  const { fromUs, toUs, nowUs, timezone, intervalMinutes } = span;
  const frame: ReportFrame = {
    generatedUs: nowUs,
    fromUs,
    toUs,
    previous: previousSpan(span),
    timezone,
    intervalMinutes,
    version: VERSION,
    bucket: toUs - fromUs <= MAX_HOURLY_US ? 'hour' : 'day',
    newestRun: status.newestRun,
    lastSuccess: status.lastSuccess,
    // Targets that were never found do not matter if valves are chosen.
    unknownTargets: isEverything(choice) ? status.unknownTargets : [],
    valveCount: described.length,
    stored: storedSpan(described.map(({ facts }) => facts)),
  };
  return { frame, valves: loadValves(database, described, span, { frame, signal }) };
}

/** From the oldest reading of all valves to the newest; null: there is none. */
function storedSpan(facts: readonly ValveFacts[]): Span | null {
  const oldest = facts.flatMap(({ firstUs }) => firstUs ?? []);
  const newest = facts.flatMap(({ newestUs }) => newestUs ?? []);
  return oldest.length === 0 ? null : { fromUs: Math.min(...oldest), toUs: Math.max(...newest) };
}

type DescribedValve = Omit<ValveRecord, 'readings' | 'energy' | 'events'>;

/**
 * The valves of the page. Without a choice: the valves of `tasmart status`, and valves that have readings but are not in the
 * registry. With one: the chosen valves of any project.
 */
async function describeValves(
  database: Database,
  config: Config,
  choice: Choice,
): Promise<{ status: Status; described: DescribedValve[] }> {
  // A choice may name any valve. Without targets, all valves are watched.
  const withoutTargets = config.accounts.map((account) => ({ ...account, targets: [] }));
  const watchConfig = isEverything(choice) ? config : { ...config, accounts: withoutTargets };
  const registered = await loadRegisteredValves(database);
  const status = await loadStatus(database, watchConfig, registered, defaultMaxAgeUs(config));
  const states = new Map(status.valves.map(({ valve, state }) => [valve.id, state]));
  const registeredIds = new Set(registered.map(({ id }) => id));
  const unregistered = (await loadMeteredValves(database)).filter(({ id }) => !registeredIds.has(id));
  const all: MeteredValve[] = [...status.valves.map(({ valve }) => valve), ...unregistered];
  const valves = await chooseValves(database, all, choice);
  const labels = distinctLabels(valves);
  const ids = valves.map(({ id }) => id);
  const allFacts = await loadValveFacts(database, ids);
  const described = valves.flatMap((valve, index) => {
    const facts = allFacts[index];
    const label = labels[index] ?? valve.id;
    return facts ? { valve, label, facts, state: states.get(valve.id) ?? null } : [];
  });
  return { status, described };
}

/** A query for many valves costs far less than one for each. The readings of twice this many fit into memory. */
const GROUP_SIZE = 20;

/** Loads the next group while the page is made of the group before: two groups are in memory. */
async function* loadValves(
  database: Database,
  described: readonly DescribedValve[],
  span: ReportSpan,
  { frame, signal }: { frame: ReportFrame; signal: AbortSignal },
): AsyncGenerator<ValveReport> {
  const { bucket, previous, valveCount } = frame;
  const fleetSpan = { ...span, dayStartsUs: dayStarts(span), valveCount };
  const loadGroup = async (start: number): Promise<ValveRecord[]> => {
    const group = described.slice(start, start + GROUP_SIZE);
    if (group.length === 0) return [];
    const ids = group.map(({ valve }) => valve.id);
    const readings = await loadReadings(database, ids, span);
    const energy = await loadEnergy(database, ids, { ...span, bucket, previous });
    const events = await loadEvents(database, ids, span);
    return group.flatMap((describedValve) => {
      const { id } = describedValve.valve;
      const valveReadings = readings.get(id);
      if (!valveReadings) return [];
      return { ...describedValve, readings: valveReadings, energy: energy.get(id) ?? [], events: events.get(id) ?? [] };
    });
  };
  let loading = loadGroup(0);
  for (let start = 0; start < described.length; start += GROUP_SIZE) {
    const records = await loading;
    loading = loadGroup(start + GROUP_SIZE);
    loading.catch(() => undefined); // an error is thrown where `loading` is awaited
    for (const record of records) {
      // Let the database's results be read, and its next query be sent.
      await nextTurn();
      signal.throwIfAborted();
      yield valveReport(record, fleetSpan);
    }
  }
}

/** Adds the serial to labels that several valves have. */
function distinctLabels(valves: readonly MeteredValve[]): string[] {
  const counts = new Map<string, number>();
  for (const valve of valves) counts.set(valveLabel(valve), (counts.get(valveLabel(valve)) ?? 0) + 1);
  return valves.map((valve) => {
    const label = valveLabel(valve);
    return (counts.get(label) ?? 0) > 1 ? `${label} (${valve.shortSn ?? valve.id.slice(0, 8)})` : label;
  });
}

async function readAsset(name: string): Promise<string> {
  try {
    return await readFile(join(REPORT_DIR, name), 'utf8');
  } catch (cause) {
    const remedy = 'install tasmart whole: "npm ci" builds it';
    throw new KnownError('config', `${join(REPORT_DIR, name)} cannot be read`, { remedy, cause });
  }
}

/** Called before the report is made, to fail early. @throws KnownError exit 78 */
async function requireWritable(file: string): Promise<void> {
  const existing = await stat(file).catch(() => null);
  // A device or a pipe would be replaced by a file.
  if (existing !== null && !existing.isFile()) {
    throw new KnownError('config', `--out ${file} is not a file`, { remedy: 'give a file, or - for stdout' });
  }
  await tryToReplace(file).catch((cause: unknown) => {
    throw unwritableError(file, cause);
  });
}

function unwritableError(file: string, cause: unknown): KnownError {
  const code = (cause as NodeJS.ErrnoException).code ?? '?';
  const remedy = 'the folder must exist, belong to this user and have room';
  return new KnownError('config', `--out ${file} cannot be written (${code})`, { remedy, cause });
}

/** `812 kB`, `1.3 MB`. */
function sizeText(bytes: number): string {
  return bytes < 1_000_000 ? `${Math.ceil(bytes / 1000)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}
