import { Command, CommanderError, Option } from 'commander';
import { LOG_LEVELS, OUTPUT_FORMATS, type CommandContext, type GlobalOptions } from './commands/context.ts';
import { SIGNAL_STATUS, stopStatus } from './commands/exit-status.ts';
import { EXIT_STATUS, KnownError } from './domain/errors.ts';
import { VERSION } from './commands/package.ts';

/** A command's module; loaded only when the command runs. */
type CommandModule<Options> = Promise<{ run: (options: Options, context: CommandContext) => Promise<number> }>;

const program = new Command('tasmart')
  .description('Readings of IMI TA-Smart valves, from HyCloud into PostgreSQL')
  .version(VERSION)
  .option('--config <file>', 'configuration (default: config.json)')
  .option('--env-file <file>', 'environment, with the secrets (default: .env)')
  .addOption(new Option('--log-level <level>', 'what to log (default: info; warn on a terminal)').choices(LOG_LEVELS))
  .addOption(
    new Option('--log-format <format>', 'how to log (default: pretty on a terminal, else json)').choices([
      'pretty',
      'json',
    ]),
  )
  .exitOverride()
  .showHelpAfterError('(run "tasmart --help" for the commands and options)');

const valves = new Option('--valve <id or serial>', 'only this valve; may be repeated').argParser(
  (value: string, previous: string[] | undefined) => [...(previous ?? []), value],
);
const format = () => new Option('--format <format>', 'how to print').choices(OUTPUT_FORMATS).default('table');

program
  .command('poll', { isDefault: true })
  .description(
    'one run: fetch what is new from every targeted valve and store it (this is what runs when no command is named)',
  )
  .option('--dry-run', 'fetch and print, open no database')
  .addOption(valves)
  .option(
    '--shard <i/n>',
    'only the i-th of n parts of the valves, such as 2/4 (default: as JOB_COMPLETION_INDEX says)',
  )
  .addOption(format())
  .usage('[options]')
  .argument('[nothing]', '', refuseArgument)
  .action(action(() => import('./commands/poll.ts')));

program
  .command('backfill')
  .description("fill the table from HyCloud's history; may be interrupted and run again")
  .requiredOption('--from <time>', 'RFC 3339, a local date or date-time, or 24h, 7d (ago)')
  .option('--to <time>', 'likewise (default: now)')
  .addOption(valves)
  .action(action(() => import('./commands/backfill.ts')));

program
  .command('consumption')
  .description('kWh per bucket, from the counters')
  .requiredOption('--from <time>', 'RFC 3339, a local date or date-time, or 24h, 7d (ago)')
  .requiredOption('--to <time>', 'likewise')
  .addOption(
    new Option('--by <bucket>', 'size of the buckets').choices(['15min', 'hour', 'day', 'month']).default('day'),
  )
  .option('--tz <zone>', 'time zone of days, hours and local times (default: timezone of config.json)')
  .addOption(
    new Option('--shape <shape>', 'power: within a step of the counter, follow the measured power')
      .choices(['linear', 'power'])
      .default('linear'),
  )
  .addOption(valves)
  .addOption(format())
  .action(action(() => import('./commands/consumption.ts')));

program
  .command('verify')
  .description('whether the kWh of a span add up, per valve and register, and whether the counters look sound')
  .requiredOption('--from <time>', 'RFC 3339, a local date or date-time, or 24h, 7d (ago)')
  .requiredOption('--to <time>', 'likewise')
  .addOption(valves)
  .addOption(format())
  .action(action(() => import('./commands/verify.ts')));

program
  .command('report')
  .description('one self-contained page: flow, power, energy, gaps and errors of every valve')
  .requiredOption('--out <file>', 'the page to write, such as report.html; - is stdout')
  .option('--from <time>', 'RFC 3339, a local date or date-time, or 24h, 7d (ago) (default: a week before --to)')
  .option('--to <time>', 'likewise (default: now)')
  .option('--tz <zone>', 'time zone of days, hours and local times (default: timezone of config.json)')
  .addOption(valves)
  .action(action(() => import('./commands/report.ts')));

program
  .command('projects')
  .description('the projects that the key can see')
  .addOption(format())
  .action(action(() => import('./commands/projects.ts')));

program
  .command('valves')
  .description('the valves that the key can see: serials, firmware, latest reading, linked register')
  .addOption(format())
  .action(action(() => import('./commands/valves.ts')));

program
  .command('link')
  .description('tie valves to registers of our own backend')
  .usage('<valve> <register> | <valve> --remove | --from <file.csv> | --list')
  .argument('[valve]', 'uuid, full or short serial')
  .argument('[register]', 'how our own backend calls it')
  .option('--remove', 'untie it')
  .option('--from <file.csv>', 'tie many: a valve and a register in each line; all of them, or none')
  .option('--list', 'show what is tied')
  .addOption(format())
  .action(action(() => import('./commands/link.ts')));

program
  .command('status')
  .description('how old the readings of every valve are, and what is missing; exit 1 when any is too old')
  .option('--max-age <duration>', 'how old a reading may be, such as 45m or 2h (default: three intervals)')
  .addOption(format())
  .action(action(() => import('./commands/status.ts')));

program
  .command('check')
  .description('try everything a run needs, and say what is wrong and how to mend it')
  .addOption(new Option('--format <format>', 'how to print').choices(['table', 'json']).default('table'))
  .action(action(() => import('./commands/check.ts')));

program
  .command('migrate')
  .description('create or upgrade the database schema')
  .action(action(() => import('./commands/migrate.ts')));

/** What looks like a command but is none lands at the default command. */
function refuseArgument(value: string): never {
  return program.error(`error: there is no command "${value}"`);
}

/** Stops in good order at the first signal; at the second, or when that takes longer than a moment, it gives up. */
const GOOD_ORDER_MS = 1000;
const stop = new AbortController();
const giveUp = new AbortController();

function action<Options>(load: () => CommandModule<Options>) {
  return async (...args: unknown[]): Promise<void> => {
    const command = args.at(-1) as Command;
    const stopAt = (signal: keyof typeof SIGNAL_STATUS) => {
      if (stop.signal.aborted) process.exit(SIGNAL_STATUS[signal]);
      stop.abort(signal);
      setTimeout(() => giveUp.abort(signal), GOOD_ORDER_MS).unref();
    };
    process.on('SIGINT', stopAt).on('SIGTERM', stopAt);
    const { run } = await loadCommand(load);
    const { args: names } = command;
    const context = { globals: program.opts<GlobalOptions>(), args: names, signal: stop.signal, giveUp: giveUp.signal };
    const status = await run(command.opts() as Options, context);
    process.exitCode = stopStatus(stop.signal) ?? status;
  };
}

/**
 * A known error is one line and its exit status; a defect shows its stack at debug level.
 *
 * @throws what keeps a file of ours from being loaded: start.ts prints it, because the log may be that file
 */
async function report(error: unknown): Promise<number> {
  if (error instanceof LoadError) throw error.cause;
  if (isMissingModule(error)) throw error;
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_STATUS.usage;
  const { createLog, isForPeople } = await import('./commands/log.ts');
  const { spelledOut } = await import('./domain/text.ts');
  const globals: GlobalOptions = program.opts();
  const log = await createLog(globals);
  const interrupted = stopStatus(stop.signal);
  if (interrupted !== null) {
    const reason = error instanceof Error ? error.message : undefined;
    log.warn({ reason }, `interrupted by ${String(stop.signal.reason)}: what was stored stays, the next run goes on`);
    return interrupted;
  }
  if (error instanceof KnownError) {
    const { kind, message, remedy } = error;
    const text = `tasmart: ${message}${remedy === null ? '' : `\n  → ${remedy}`}\n`;
    if (isForPeople(globals)) process.stderr.write(text.replace(/[^\n]+/g, spelledOut));
    else log.error({ kind, remedy: remedy ?? undefined }, message);
    return EXIT_STATUS[kind];
  }
  const defect = error instanceof Error ? error : new Error(String(error));
  log.fatal(`a defect of tasmart: ${defect.name}: ${defect.message} (--log-level debug shows where)`);
  log.debug({ stack: defect.stack });
  return EXIT_STATUS.defect;
}

/** A file of ours is missing, unreadable or damaged. `cause` says which. */
class LoadError extends Error {
  override readonly name = 'LoadError';
}

async function loadCommand<Options>(load: () => CommandModule<Options>): CommandModule<Options> {
  return load().catch((cause: unknown) => {
    throw new LoadError('the command cannot be loaded', { cause });
  });
}

function isMissingModule(error: unknown): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND';
}

const LEFT_OPEN_MS = 1000;

/**
 * Runs the command that the arguments name, and sets the exit status.
 *
 * @throws what keeps a file of ours from being loaded
 */
export async function main(): Promise<void> {
  // A log that cannot be written, and a reader of our output that leaves early (`| head`), cost no more than that.
  const outputErrors: Error[] = [];
  process.stderr.on('error', () => undefined);
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') outputErrors.push(error);
  });
  // Left to Node, a defect outside of all this would be printed with its properties: those of an axios error hold the key.
  process.on('uncaughtException', (error) => {
    void report(error).then(
      (status) => process.exit(status),
      () => {
        process.stderr.write(`tasmart: a defect of tasmart: ${String(error)}\n`);
        process.exit(EXIT_STATUS.defect);
      },
    );
  });
  // With nothing left to wait for, Node would end as if all were done.
  const endUndone = () => {
    void report(new Error('it waits for what will never come')).then((status) => (process.exitCode = status));
  };
  process.once('beforeExit', endUndone);
  try {
    await program.parseAsync();
    await new Promise((resolve) => process.stdout.write('', resolve));
    if (outputErrors[0]) {
      const remedy = 'make room for it; what was to be stored is stored';
      throw new KnownError('defect', `the output could not be written: ${outputErrors[0].message}`, { remedy });
    }
  } catch (error) {
    process.exitCode = await report(error);
  } finally {
    process.off('beforeExit', endUndone);
    endWithoutWaiting();
  }
}

/** Everything is done: what is still open, as a tunnel is that a proxy never answers, is not waited for; a log's reader is. */
function endWithoutWaiting(): void {
  setTimeout(() => (process.stderr.writableLength > 0 ? endWithoutWaiting() : process.exit()), LEFT_OPEN_MS).unref();
}
