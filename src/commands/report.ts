/** `tasmart report`: writes one page with everything about the valves. */
import { access, constants, readFile, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { DateTime } from 'luxon';
import type { Config } from '../config/config.ts';
import { loadConsumption, loadMeteredValves, type MeteredValve } from '../database/consumption.ts';
import type { Database } from '../database/connection.ts';
import { loadEvents, type StoredEvent } from '../database/events.ts';
import { withDatabase } from '../database/open.ts';
import { loadReadings, loadValveFacts, type CounterEvent } from '../database/report.ts';
import { loadRegisteredValves } from '../database/status.ts';
import { KnownError } from '../domain/errors.ts';
import { count } from '../domain/text.ts';
import { US_PER_DAY, US_PER_HOUR, type Micros, type Span } from '../domain/time.ts';
import { valveLabel } from '../domain/valve.ts';
import type { ReportData, ValveReport } from '../reporting/report/data.ts';
import { reportHtml } from '../reporting/report/html.ts';
import { valveReport, type ReportSpan } from '../reporting/report/valve-report.ts';
import { chosenValves, isEverything, type Choice } from './choice.ts';
import { zoneOf } from './consumption.ts';
import type { CommandContext } from './context.ts';
import { judgeStored } from './judging.ts';
import { createLog } from './log.ts';
import { OPEN_OPTIONS, REPORT_DIR, VERSION } from './package.ts';
import { replaceFile } from './replace-file.ts';
import { loadConfig } from './settings.ts';
import { defaultMaxAgeUs, loadStatus } from './status.ts';
import { parseSpan, parseTime } from './time.ts';

export interface ReportOptions extends Choice {
  out: string;
  from?: string;
  to?: string;
  tz?: string;
}

/** Makes the page from the database alone. Does not ask HyCloud. */
export async function run(options: ReportOptions, { globals, signal, giveUp }: CommandContext): Promise<number> {
  const log = await createLog(globals);
  const config = await loadConfig(globals, ['database'], log);
  const span = reportSpan(options, config, Date.now() * 1000);
  if (options.out !== '-') await checkTarget(options.out);
  const assets = {
    script: await readAsset('page.js'),
    style: await readAsset('page.css'),
  };
  const data = await withDatabase(config.database, { ...OPEN_OPTIONS, giveUp }, async (database) => {
    await judgeStored(database, config, log, { globals, signal });
    return loadReport(database, config, span, { choice: options, signal });
  });
  if (data.valves.length === 0) log.warn('the report is empty: no valve was polled yet. Run "tasmart poll"');
  const html = reportHtml(data, assets);
  if (options.out === '-') {
    process.stdout.write(html);
    return 0;
  }
  await replaceFile(options.out, html).catch((cause: unknown) => {
    throw unwritable(options.out, cause);
  });
  process.stdout.write(`${options.out}: ${size(Buffer.byteLength(html))}, ${count(data.valves.length, 'valve')}\n`);
  return 0;
}

/** Whole local days; the last one ends at `to`. */
const DEFAULT_DAYS = 7;

function reportSpan(options: ReportOptions, config: Config, nowUs: Micros): ReportSpan {
  const timezone = zoneOf(options, config);
  const { from, to } = options;
  const common = { nowUs, timezone, intervalMinutes: config.intervalMinutes };
  if (from !== undefined) return { ...common, ...parseSpan({ ...options, from }, timezone, nowUs) };
  const toUs = to === undefined ? nowUs : parseTime(to, '--to', timezone, nowUs);
  const lastDay = DateTime.fromMillis(Math.floor((toUs - 1) / 1000), { zone: timezone }).startOf('day');
  return { ...common, fromUs: lastDay.minus({ days: DEFAULT_DAYS - 1 }).toMillis() * 1000, toUs };
}

/** A span of the same length, whole days earlier, so that it covers the same hours of the day. */
function previousSpan({ fromUs, toUs, timezone }: ReportSpan): Span {
  const days = Math.ceil((toUs - fromUs) / US_PER_DAY - 1 / 12); // a day of 25 hours counts as one
  const earlier = (timeUs: Micros): Micros =>
    DateTime.fromMillis(Math.floor(timeUs / 1000), { zone: timezone })
      .minus({ days })
      .toMillis() * 1000;
  return { fromUs: earlier(fromUs), toUs: earlier(toUs) };
}

/** Longer spans show energy by day, not by hour. The extra hour is for a daylight saving change. */
const MAX_HOURLY_US = 62 * US_PER_DAY + US_PER_HOUR;

/**
 * Loads what the page shows. Without a choice: the valves of `tasmart status`, and valves that have readings but are not in the
 * registry. With one: the chosen valves of any project. Loads one valve after the other, and keeps only what the page needs.
 *
 * @throws DatabaseError; KnownError for a name that no valve has
 */
export async function loadReport(
  database: Database,
  config: Config,
  span: ReportSpan,
  { choice, signal }: { choice: Choice; signal: AbortSignal },
): Promise<ReportData> {
  const isWhole = isEverything(choice);
  // Without targets, all valves are watched.
  const everything = config.accounts.map((account) => ({ ...account, targets: [] }));
  const watched = isWhole ? config : { ...config, accounts: everything };
  const registered = await loadRegisteredValves(database);
  const status = await loadStatus(database, watched, registered, defaultMaxAgeUs(config));
  const states = new Map(status.valves.map(({ valve, state }) => [valve.id, state]));
  const known = new Set(registered.map(({ id }) => id));
  const unregistered = (await loadMeteredValves(database)).filter(({ id }) => !known.has(id));
  const all: MeteredValve[] = [...status.valves.map(({ valve }) => valve), ...unregistered];
  const valves = await chosenValves(database, all, choice);
  const labels = distinctLabels(valves);
  const facts = await loadValveFacts(
    database,
    valves.map(({ id }) => id),
  );
  const { fromUs, toUs, nowUs, timezone, intervalMinutes } = span;
  const bucket = toUs - fromUs <= MAX_HOURLY_US ? 'hour' : 'day';
  const query = { ...span, bucket } as const;
  const previous = previousSpan(span);
  const load = async ({ id }: MeteredValve) => ({
    readings: await loadReadings(database, id, span),
    events: (await loadEvents(database, id, span)).map(pageEvent),
    buckets: await loadConsumption(database, id, query),
    previousBuckets: await loadConsumption(database, id, { ...query, ...previous, bucket: 'day' }),
  });
  const reports: ValveReport[] = [];
  let loading = valves[0] && load(valves[0]);
  for (const [index, valve] of valves.entries()) {
    signal.throwIfAborted();
    const stored = await loading;
    const next = valves[index + 1];
    // Load the next valve while this one is encoded.
    loading = next && load(next);
    loading?.catch(() => undefined); // an error is thrown where `loading` is awaited
    const own = facts[index];
    if (!own || !stored) continue;
    const label = labels[index] ?? valve.id;
    const record = { valve, label, facts: own, state: states.get(valve.id) ?? null, ...stored };
    reports.push(valveReport(record, span, valves.length));
  }
  return {
    generatedUs: nowUs,
    fromUs,
    toUs,
    previous,
    timezone,
    intervalMinutes,
    version: VERSION,
    bucket,
    newestRun: status.newestRun,
    lastSuccess: status.lastSuccess,
    // Targets that were never found do not matter if valves are chosen.
    unknown: isWhole ? status.unknown : [],
    valves: reports,
  };
}

/** Adds the serial to labels that several valves have. */
function distinctLabels(valves: readonly MeteredValve[]): string[] {
  const labels = valves.map(valveLabel);
  return valves.map(({ shortSn, id }, index) => {
    const label = labels[index] ?? id;
    const isUnique = labels.indexOf(label) === labels.lastIndexOf(label);
    return isUnique ? label : `${label} (${shortSn ?? id.slice(0, 8)})`;
  });
}

function pageEvent({ regime, kind, startUs, endUs, fromKwh, toKwh, countedKwh }: StoredEvent): CounterEvent {
  const number = (text: string | null) => (text === null ? null : Number(text));
  return {
    regime,
    kind,
    fromUs: startUs,
    toUs: endUs,
    fromKwh: number(fromKwh),
    toKwh: number(toKwh),
    countedKwh: number(countedKwh),
  };
}

async function readAsset(name: string): Promise<string> {
  try {
    return await readFile(join(REPORT_DIR, name), 'utf8');
  } catch (cause) {
    const remedy = 'install tasmart whole: "npm ci" builds it';
    throw new KnownError('config', `${join(REPORT_DIR, name)} cannot be read`, {
      remedy,
      cause,
    });
  }
}

/** Called before the report is made, to fail early. @throws KnownError exit 78 */
async function checkTarget(file: string): Promise<void> {
  const existing = await stat(file).catch(() => null);
  // A device or a pipe would be replaced by a file.
  if (existing !== null && !existing.isFile()) {
    throw new KnownError('config', `--out ${file} is not a file`, {
      remedy: 'give a file, or - for stdout',
    });
  }
  await access(dirname(resolve(file)), constants.W_OK).catch((cause: unknown) => {
    throw unwritable(file, cause);
  });
}

function unwritable(file: string, cause: unknown): KnownError {
  const code = (cause as NodeJS.ErrnoException).code ?? '?';
  const remedy = 'the folder must exist, belong to this user and have room';
  return new KnownError('config', `--out ${file} cannot be written (${code})`, {
    remedy,
    cause,
  });
}

/** `812 kB`, `1.3 MB`. */
function size(bytes: number): string {
  return bytes < 1_000_000 ? `${Math.ceil(bytes / 1000)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}
