import { access, constants, readFile, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Config } from '../config/config.ts';
import { loadConsumption, loadMeteredValves, type MeteredValve } from '../database/consumption.ts';
import type { Database } from '../database/connection.ts';
import { withDatabase } from '../database/open.ts';
import { loadReadings, loadValveFacts } from '../database/report.ts';
import { loadRegisteredValves } from '../database/status.ts';
import { KnownError } from '../domain/errors.ts';
import { count } from '../domain/text.ts';
import { US_PER_DAY, US_PER_HOUR, type Micros } from '../domain/time.ts';
import type { ReportData, ValveReport } from '../reporting/report/data.ts';
import { reportHtml } from '../reporting/report/html.ts';
import { valveReport, type ReportSpan } from '../reporting/report/valve-report.ts';
import { namedValves, zoneOf } from './consumption.ts';
import type { CommandContext } from './context.ts';
import { createLog } from './log.ts';
import { OPEN_OPTIONS, REPORT_DIR, VERSION } from './package.ts';
import { replaceFile } from './replace-file.ts';
import { loadConfig } from './settings.ts';
import { defaultMaxAgeUs, loadStatus } from './status.ts';
import { parseSpan, parseTime } from './time.ts';

export interface ReportOptions {
  out: string;
  from?: string;
  to?: string;
  tz?: string;
  valve?: string[];
}

/** `tasmart report`: one page with everything about the valves, from the database alone. */
export async function run(options: ReportOptions, { globals, signal, giveUp }: CommandContext): Promise<number> {
  const log = await createLog(globals);
  const config = await loadConfig(globals, ['database'], log);
  const span = reportSpan(options, config, Date.now() * 1000);
  if (options.out !== '-') await checkTarget(options.out);
  const assets = {
    script: await readAsset('page.js'),
    style: await readAsset('page.css'),
  };
  const data = await withDatabase(config.database, { ...OPEN_OPTIONS, giveUp }, (database) =>
    loadReport(database, config, span, { only: options.valve ?? [], signal }),
  );
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

const DEFAULT_SPAN_US = 7 * US_PER_DAY;

/** The last week of it where no beginning is named. */
function reportSpan(options: ReportOptions, config: Config, nowUs: Micros): ReportSpan {
  const timezone = zoneOf(options, config);
  const { from, to } = options;
  const common = { nowUs, timezone, intervalMinutes: config.intervalMinutes };
  if (from !== undefined) return { ...common, ...parseSpan({ ...options, from }, timezone, nowUs) };
  const toUs = to === undefined ? nowUs : parseTime(to, '--to', timezone, nowUs);
  return { ...common, fromUs: toUs - DEFAULT_SPAN_US, toUs };
}

/** Up to here the bars of energy are hours. A day of it may have 25. */
const MAX_HOURLY_US = 8 * US_PER_DAY + US_PER_HOUR;

/**
 * What the page shows: the valves that `tasmart status` does, and those with readings that the registry does not know;
 * or those that are named, of whatever project. A valve at a time, so that only what is shown is held.
 *
 * @throws DatabaseError; KnownError for a name that no valve bears
 */
export async function loadReport(
  database: Database,
  config: Config,
  span: ReportSpan,
  { only, signal }: { only: readonly string[]; signal: AbortSignal },
): Promise<ReportData> {
  const isWhole = only.length === 0;
  const everything = config.accounts.map((account) => ({ ...account, targets: [] }));
  const watched = isWhole ? config : { ...config, accounts: everything };
  const status = await loadStatus(database, watched, defaultMaxAgeUs(config));
  const states = new Map(status.valves.map(({ valve, state }) => [valve.id, state]));
  const registered = new Set((await loadRegisteredValves(database)).map(({ id }) => id));
  const strangers = (await loadMeteredValves(database)).filter(({ id }) => !registered.has(id));
  const all: MeteredValve[] = [...status.valves.map(({ valve }) => valve), ...strangers];
  const valves = isWhole ? all : namedValves(all, only);
  const facts = await loadValveFacts(
    database,
    valves.map(({ id }) => id),
  );
  const { fromUs, toUs, nowUs, timezone, intervalMinutes } = span;
  const bucket = toUs - fromUs <= MAX_HOURLY_US ? 'hour' : 'day';
  const query = {
    ...span,
    bucket,
    shape: 'linear',
    maxPowerKw: config.maxPowerKw,
  } as const;
  const reports: ValveReport[] = [];
  for (const [index, valve] of valves.entries()) {
    signal.throwIfAborted();
    const own = facts[index];
    if (!own) continue;
    const readings = await loadReadings(database, valve.id, span);
    const buckets = await loadConsumption(database, valve.id, query);
    const state = states.get(valve.id) ?? null;
    reports.push(valveReport({ valve, facts: own, state, readings, buckets }, span));
  }
  return {
    generatedUs: nowUs,
    fromUs,
    toUs,
    timezone,
    intervalMinutes,
    version: VERSION,
    bucket,
    newestRun: status.newestRun,
    lastSuccess: status.lastSuccess,
    // Who asks for one valve does not ask for the others that are missing.
    unknown: isWhole ? status.unknown : [],
    valves: reports,
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

/** Before the work is done, that it is not in vain. @throws KnownError exit 78 */
async function checkTarget(file: string): Promise<void> {
  const existing = await stat(file).catch(() => null);
  // A device or a pipe, too, would be replaced by a file.
  if (existing !== null && !existing.isFile()) {
    throw new KnownError('config', `--out ${file} is no file`, {
      remedy: 'name a file, or - for stdout',
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
