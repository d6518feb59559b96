import type { Config } from '../config/config.ts';
import { isTimeZone } from '../config/timezone.ts';
import {
  loadConsumption,
  loadMeteredValves,
  type Bucket,
  type ConsumptionQuery,
  type MeteredValve,
} from '../database/consumption.ts';
import type { Database } from '../database/connection.ts';
import { withDatabase } from '../database/open.ts';
import { KnownError } from '../domain/errors.ts';
import { isNamed } from '../domain/valve.ts';
import { consumptionFormat } from '../reporting/consumption.ts';
import type { CommandContext, OutputFormat } from './context.ts';
import { createLog } from './log.ts';
import { show, stdoutScreen, write } from './output.ts';
import { OPEN_OPTIONS } from './package.ts';
import { loadConfig } from './settings.ts';
import { parseSpan } from './time.ts';

export interface ConsumptionOptions {
  from: string;
  to: string;
  by: Bucket;
  shape: ConsumptionQuery['shape'];
  tz?: string;
  valve?: string[];
  format: OutputFormat;
}

/** `tasmart consumption`: kWh per bucket, a valve at a time, so that a year of a thousand valves needs no memory. */
export async function run(options: ConsumptionOptions, { globals, signal, giveUp }: CommandContext): Promise<number> {
  const log = await createLog(globals);
  const config = await loadConfig(globals, ['database'], log);
  const query = consumptionQuery(options, config);
  const screen = stdoutScreen();
  const format = consumptionFormat(options.format, { ...query, isDrawn: screen.drawsBlocks });
  await withDatabase(config.database, { ...OPEN_OPTIONS, giveUp }, async (database) => {
    const valves = await meteredValves(database, options.valve ?? []);
    const put = options.format === 'table' ? (text: string) => show(text, screen) : write;
    await put(format.begin());
    for (const valve of valves) {
      if (signal.aborted || !process.stdout.writable) return;
      await put(format.valve(valve, await loadConsumption(database, valve.id, query)));
    }
    await put(format.end());
  });
  return 0;
}

function consumptionQuery(options: ConsumptionOptions, config: Config): ConsumptionQuery {
  const timezone = zoneOf(options, config);
  const { intervalMinutes, maxPowerKw } = config;
  const span = parseSpan(options, timezone, Date.now() * 1000);
  return { ...span, timezone, bucket: options.by, shape: options.shape, intervalMinutes, maxPowerKw };
}

/** The zone asked for, or the configured one. @throws KnownError exit 64 */
export function zoneOf({ tz }: { tz?: string }, { timezone }: Config): string {
  if (tz === undefined || isTimeZone(tz)) return tz ?? timezone;
  throw new KnownError('usage', `--tz ${tz} is no time zone`, {
    remedy: 'write an IANA name such as Europe/Rome; an abbreviation will not do',
  });
}

/** The valves with readings, or those of them that are named. @throws KnownError for a name that none bears */
export async function meteredValves(database: Database, wanted: readonly string[]): Promise<MeteredValve[]> {
  return wanted.length === 0 ? loadMeteredValves(database) : namedValves(await loadMeteredValves(database), wanted);
}

/** Those of the valves that are named. @throws KnownError for a name that none bears */
export function namedValves<V extends MeteredValve>(all: readonly V[], wanted: readonly string[]): V[] {
  const missing = wanted.filter((name) => !all.some((valve) => isNamed(valve, name)));
  if (missing.length > 0) {
    throw new KnownError('config', `no valve with readings is called ${missing.join(', ')}`, {
      remedy: '--valve takes a uuid, full or short serial; "tasmart valves" lists them',
    });
  }
  return all.filter((valve) => wanted.some((name) => isNamed(valve, name)));
}
