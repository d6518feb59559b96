/** `tasmart consumption`: kWh per bucket. */
import { loadConsumption, widenToBuckets, type Bucket } from '../database/consumption.ts';
import { withDatabase } from '../database/open.ts';
import { EXIT_STATUS, KnownError } from '../domain/errors.ts';
import { consumptionFormat } from '../reporting/consumption.ts';
import { matrixFormat } from '../reporting/matrix.ts';
import { loadChosenValves, type Choice } from './shared/choice.ts';
import type { CommandContext, OutputFormat } from './shared/context.ts';
import { judgeStored } from './shared/judging.ts';
import { createLog } from './shared/log.ts';
import { print, stdoutScreen } from './shared/output.ts';
import { OPEN_OPTIONS } from './shared/package.ts';
import { loadConfig } from './shared/settings.ts';
import { parseSpan, zoneOf } from './shared/time.ts';

export interface ConsumptionOptions extends Choice {
  from: string;
  to?: string;
  by: Bucket;
  matrix?: boolean;
  tz?: string;
  format: OutputFormat;
}

/** Reads and prints one valve after the other, so that memory stays flat. Exit 2 if readings of a valve could not be judged. */
export async function run(options: ConsumptionOptions, { globals, signal, giveUp }: CommandContext): Promise<number> {
  if (options.matrix && options.format === 'json') {
    throw new KnownError('usage', '--matrix is for tables and CSV', { remedy: 'leave it out: JSON has every bucket' });
  }
  const log = await createLog(globals);
  const config = await loadConfig(globals, ['database'], log);
  const nowUs = Date.now() * 1000;
  const timezone = zoneOf(options, config);
  const requested = { ...parseSpan(options, timezone, nowUs), timezone, bucket: options.by };
  const screen = stdoutScreen();
  return withDatabase(config.database, { ...OPEN_OPTIONS, giveUp }, async (database) => {
    const failures = await judgeStored(database, config, log, { globals, signal });
    const valves = await loadChosenValves(database, options);
    const widened = await widenToBuckets(database, requested);
    const view = { ...widened, nowUs, screen };
    const format = options.matrix
      ? matrixFormat(options.format === 'csv' ? 'csv' : 'table', view)
      : consumptionFormat(options.format, view);
    const put = (text: string) => print(options.format, text, screen);
    await put(format.begin());
    for (const valve of valves) {
      // After a signal, action.ts gives the exit status.
      if (signal.aborted || !process.stdout.writable) return 0;
      await put(format.valve(valve, await loadConsumption(database, valve.id, widened)));
    }
    await put(format.end());
    return failures.length > 0 ? EXIT_STATUS.partial : 0;
  });
}
