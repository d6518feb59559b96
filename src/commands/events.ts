/** `tasmart events`: lists gaps, glitches, resets, jumps, corrections and undecided readings of counters. */
import { loadEvents } from '../database/events.ts';
import { withDatabase } from '../database/open.ts';
import { EXIT_STATUS } from '../domain/errors.ts';
import { eventsFormat } from '../reporting/events.ts';
import { loadChosenValves, type Choice } from './shared/choice.ts';
import type { CommandContext, OutputFormat } from './shared/context.ts';
import { judgeStored } from './shared/judging.ts';
import { createLog } from './shared/log.ts';
import { print, stdoutScreen } from './shared/output.ts';
import { OPEN_OPTIONS } from './shared/package.ts';
import { loadConfig } from './shared/settings.ts';
import { parseSpan, zoneOf } from './shared/time.ts';

export interface EventsOptions extends Choice {
  from: string;
  to?: string;
  tz?: string;
  format: OutputFormat;
}

/** Reads and prints one valve after the other, so that memory stays flat. Exit 2 if readings of a valve could not be judged. */
export async function run(options: EventsOptions, { globals, signal, giveUp }: CommandContext): Promise<number> {
  const log = await createLog(globals);
  const config = await loadConfig(globals, ['database'], log);
  const timezone = zoneOf(options, config);
  const span = parseSpan(options, timezone, Date.now() * 1000);
  const screen = stdoutScreen();
  const format = eventsFormat(options.format, { timezone, screen });
  const put = (text: string) => print(options.format, text, screen);
  return withDatabase(config.database, { ...OPEN_OPTIONS, giveUp }, async (database) => {
    const failures = await judgeStored(database, config, log, { globals, signal });
    await put(format.begin());
    for (const valve of await loadChosenValves(database, options)) {
      if (signal.aborted || !process.stdout.writable) return 0;
      const events = (await loadEvents(database, [valve.id], span)).get(valve.id) ?? [];
      const byRegime = events.toSorted((a, b) => a.regime - b.regime);
      await put(format.valve(valve, byRegime));
    }
    await put(format.end());
    return failures.length > 0 ? EXIT_STATUS.partial : 0;
  });
}
