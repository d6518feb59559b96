/** `tasmart consumption`: kWh per bucket. */
import type { Config } from '../config/config.ts';
import { isTimeZone } from '../config/timezone.ts';
import {
  loadConsumption,
  loadMeteredValves,
  widenToBuckets,
  type Bucket,
  type MeteredValve,
} from '../database/consumption.ts';
import type { Database } from '../database/connection.ts';
import { withDatabase } from '../database/open.ts';
import { EXIT_STATUS, KnownError } from '../domain/errors.ts';
import { isCalled } from '../domain/valve.ts';
import { consumptionFormat } from '../reporting/consumption.ts';
import { matrixFormat } from '../reporting/matrix.ts';
import type { CommandContext, OutputFormat } from './context.ts';
import { judgeStored } from './judging.ts';
import { createLog } from './log.ts';
import { show, stdoutScreen, write } from './output.ts';
import { OPEN_OPTIONS } from './package.ts';
import { loadConfig } from './settings.ts';
import { parseSpan } from './time.ts';

export interface ConsumptionOptions {
  from: string;
  to?: string;
  by: Bucket;
  matrix?: boolean;
  tz?: string;
  valve?: string[];
  format: OutputFormat;
}

/** Reads and prints one valve after the other, so that memory stays flat. */
export async function run(options: ConsumptionOptions, { globals, signal, giveUp }: CommandContext): Promise<number> {
  if (options.matrix && options.format === 'json') {
    throw new KnownError('usage', '--matrix is for tables and CSV', { remedy: 'leave it out: JSON has every bucket' });
  }
  const log = await createLog(globals);
  const config = await loadConfig(globals, ['database'], log);
  const nowUs = Date.now() * 1000;
  const timezone = zoneOf(options, config);
  const asked = { ...parseSpan(options, timezone, nowUs), timezone, bucket: options.by };
  const screen = stdoutScreen();
  return withDatabase(config.database, { ...OPEN_OPTIONS, giveUp }, async (database) => {
    const failures = await judgeStored(database, config, log, { globals, signal });
    const valves = await meteredValves(database, options.valve ?? []);
    const query = await widenToBuckets(database, asked);
    const view = { ...query, nowUs, isDrawn: screen.drawsBlocks, columns: screen.width };
    const format = options.matrix
      ? matrixFormat(options.format === 'csv' ? 'csv' : 'table', view)
      : consumptionFormat(options.format, view);
    const put = options.format === 'table' ? (text: string) => show(text, screen) : write;
    await put(format.begin());
    for (const valve of valves) {
      if (signal.aborted || !process.stdout.writable) return 0;
      await put(format.valve(valve, await loadConsumption(database, valve.id, query)));
    }
    await put(format.end());
    return failures.length > 0 ? EXIT_STATUS.partial : 0;
  });
}

/** The zone of --tz, or the configured one. @throws KnownError exit 64 */
export function zoneOf({ tz }: { tz?: string }, { timezone }: Config): string {
  if (tz === undefined || isTimeZone(tz)) return tz ?? timezone;
  throw new KnownError('usage', `--tz ${tz} is not a time zone`, {
    remedy: 'write an IANA name such as Europe/Rome; an abbreviation will not do',
  });
}

/** The valves with readings. With names: only the named valves. @throws KnownError for an unknown name */
export async function meteredValves(database: Database, wanted: readonly string[]): Promise<MeteredValve[]> {
  return wanted.length === 0 ? loadMeteredValves(database) : namedValves(await loadMeteredValves(database), wanted);
}

/** The named valves. @throws KnownError for an unknown name */
export function namedValves<V extends MeteredValve>(all: readonly V[], wanted: readonly string[]): V[] {
  const missing = wanted.filter((name) => !all.some((valve) => isCalled(valve, name)));
  if (missing.length > 0) {
    throw new KnownError('config', `no valve with readings is called ${missing.join(', ')}`, {
      remedy: '--valve takes a uuid, full or short serial, or name; "tasmart valves" lists them',
    });
  }
  return all.filter((valve) => wanted.some((name) => isCalled(valve, name)));
}
