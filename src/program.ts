/** All commands, their options and their examples. */
import { Argument, Command, Option } from 'commander';
import { LOG_LEVELS } from './commands/shared/context.ts';
import { createAction } from './commands/shared/action.ts';
import {
  formatOption,
  fromOption,
  printHelp,
  projectOption,
  refuseUnknownCommand,
  repeatedOption,
  requiredOption,
  timeOption,
  usageText,
  valveOption,
  withExamples,
  zoneOption,
} from './commands/shared/options.ts';
import { VERSION } from './commands/shared/package.ts';
import { BUCKETS } from './database/consumption.ts';

export const program = new Command('tasmart')
  .description('Readings of IMI TA-Smart valves, from HyCloud into PostgreSQL')
  .usage('[options] [command]')
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
  .configureHelp({ showGlobalOptions: true, minWidthToWrap: 15 })
  .helpCommand(false)
  .hook('preSubcommand', refuseUnknownCommand);
withExamples(program, [
  ['tasmart init', 'the first set-up: asks, tries, and writes config.json and .env'],
  ['tasmart', 'one poll, as cron runs it'],
  ['tasmart status', 'how old the readings are'],
  ['tasmart consumption', 'kWh per day of the last week'],
  ['tasmart poll --help', 'the options of a command'],
]);

const init = program
  .command('init')
  .description('the first set-up: asks for what a run needs, tries it, and writes config.json and .env')
  .option('--api-key-file <file>', 'a file that holds the key of a HyCloud user (or variable API_KEY)')
  .option('--requester-id <id>', "your company's id at IMI (or variable REQUESTER_ID)")
  .addOption(repeatedOption('--project <name or id>', 'the project to read; may be repeated (default: the only one)'))
  .option('--database-url <url>', 'embedded:<folder> or postgresql://... (or variable DATABASE_URL, or DB_HOST ...)')
  .option('--migrate', 'create or upgrade the schema of a database server')
  .option('--force', 'replace what config.json and .env say')
  .action(createAction(() => import('./commands/init.ts')));
withExamples(init, [
  ['tasmart init', 'asks on a terminal, and only there'],
  ['tasmart init --api-key-file key --requester-id 1234 --database-url embedded:db', 'asks nothing'],
  ['API_KEY=... REQUESTER_ID=... DATABASE_URL=... tasmart init --project Lingotto', 'asks nothing, for scripts'],
]);

const poll = program
  .command('poll', { isDefault: true })
  .description('one run: fetch and store what is new from every targeted valve (runs when no command is named)')
  .option('--dry-run', 'fetch and print, open no database')
  .addOption(valveOption())
  .option(
    '--shard <i/n>',
    'only the i-th of n parts of the valves, such as 2/4 (default: as JOB_COMPLETION_INDEX says)',
  )
  .addOption(formatOption())
  .action(createAction(() => import('./commands/poll.ts')));
withExamples(poll, [
  ['tasmart poll', 'fetch and store what is new'],
  ['tasmart poll --dry-run', 'only show what would be stored'],
  ['tasmart poll --valve dc8a9c16', 'a single valve'],
  ['tasmart --config site-b.json poll --format json', 'another configuration; output for a program'],
]);

const backfill = program
  .command('backfill')
  .description("fill the table from HyCloud's history; may be interrupted and run again")
  .addOption(requiredOption(fromOption()))
  .addOption(timeOption('--to <time>', 'now'))
  .addOption(valveOption())
  .action(createAction(() => import('./commands/backfill.ts')));
withExamples(backfill, [
  ['tasmart backfill --from 30d', 'the last thirty days'],
  ['tasmart backfill --from 2026-01-01 --to 2026-02-01', 'January, in the configured time zone'],
  ['tasmart backfill --from 7d --valve dc8a9c16', 'a single valve'],
]);

const consumption = program
  .command('consumption')
  .description('kWh per bucket, from the counters')
  .addOption(fromOption().default('7d'))
  .addOption(timeOption('--to <time>', 'now'))
  .addOption(
    new Option('--by <bucket>', 'size of the buckets; the span is widened to whole ones')
      .choices(BUCKETS)
      .default('day'),
  )
  .option('--matrix', 'a row per valve, a column per bucket, with totals')
  .addOption(zoneOption())
  .addOption(valveOption())
  .addOption(projectOption())
  .addOption(formatOption())
  .action(createAction(() => import('./commands/consumption.ts')));
withExamples(consumption, [
  ['tasmart consumption', 'kWh per day of the last week'],
  ['tasmart consumption --from 2026-01-01 --to 2027-01-01 --by month', 'a year, by month'],
  ['tasmart consumption --from 2d --by hour --valve dc8a9c16', 'a single valve, by hour'],
  ['tasmart consumption --from 30d --format csv', 'for a spreadsheet'],
]);

const events = program
  .command('events')
  .description(
    'everything that keeps a counter from being read as it stands: gaps, glitches, resets, jumps, corrections',
  )
  .addOption(fromOption().default('30d'))
  .addOption(timeOption('--to <time>', 'now'))
  .addOption(zoneOption())
  .addOption(valveOption())
  .addOption(projectOption())
  .addOption(formatOption())
  .action(createAction(() => import('./commands/events.ts')));
withExamples(events, [
  ['tasmart events', 'the last thirty days of every valve'],
  ['tasmart events --from 2026-01-01 --valve dc8a9c16', 'a single valve since January'],
]);

const correct = program
  .command('correct')
  .description("an operator's word on a counter: exclude readings, or say when the counter was replaced")
  .usage(
    usageText('correct', [
      '<valve> --exclude --from <t> --to <t> --note <text>',
      '<valve> --replaced --at <t> --note <text>',
      '[valve] --list',
      '--undo <n>',
    ]),
  )
  .argument('[valve]', 'uuid, full or short serial, or name')
  .option('--exclude', 'the readings from --from until before --to do not count')
  .addOption(fromOption())
  .addOption(timeOption('--to <time>'))
  .option('--replaced', 'another counter begins at --at')
  .addOption(timeOption('--at <time>'))
  .option('--note <text>', 'why')
  .option('--by <author>', 'whose word it is (default: the user of this session)')
  .option('--list', 'all corrections, of one valve or of all')
  .option('--undo <n>', 'take back the correction of this number')
  .addOption(formatOption())
  .action(createAction(() => import('./commands/correct.ts')));
withExamples(correct, [
  ['tasmart correct dc8a9c16 --exclude --from yesterday --to today --note "test"', 'these readings do not count'],
  ['tasmart correct dc8a9c16 --replaced --at 2026-03-01T12:00 --note "new valve"', 'another counter begins there'],
  ['tasmart correct --list', 'all corrections'],
  ['tasmart correct --undo 3', 'take back number 3'],
]);

const rejudge = program
  .command('rejudge')
  .description('compute all kWh again, with max_power_kw and interval_minutes as they are configured now')
  .action(createAction(() => import('./commands/rejudge.ts')));
withExamples(rejudge, [['tasmart rejudge', 'after max_power_kw or interval_minutes was changed']]);

const verify = program
  .command('verify')
  .description('whether the stored kWh are what the readings give, and the counters agree with measured power')
  .addOption(fromOption().default('30d'))
  .addOption(timeOption('--to <time>', 'now'))
  .addOption(valveOption())
  .addOption(projectOption())
  .addOption(formatOption())
  .action(createAction(() => import('./commands/verify.ts')));
withExamples(verify, [
  ['tasmart verify', 'the last thirty days of every valve'],
  ['tasmart verify --from 7d --valve dc8a9c16', 'a single valve, the last week'],
]);

const report = program
  .command('report')
  .description('one self-contained page: flow, power, energy, gaps and errors of every valve')
  .addOption(requiredOption(new Option('--out <file>', 'the page to write, such as report.html; - is stdout')))
  .addOption(fromOption('the last seven days, with the day of --to'))
  .addOption(timeOption('--to <time>', 'now'))
  .addOption(zoneOption())
  .addOption(valveOption())
  .addOption(projectOption())
  .action(createAction(() => import('./commands/report.ts')));
withExamples(report, [
  ['tasmart report --out report.html', 'the last seven days of every valve'],
  ['tasmart report --out january.html --from 2026-01-01 --to 2026-02-01', 'a month'],
]);

const projects = program
  .command('projects')
  .description('the projects that the key can see')
  .addOption(formatOption())
  .action(createAction(() => import('./commands/projects.ts')));
withExamples(projects, [['tasmart projects', 'names and ids for config.json']]);

const valves = program
  .command('valves')
  .description('the valves that the key can see: serials, firmware, newest reading, linked register')
  .addOption(formatOption())
  .action(createAction(() => import('./commands/valves.ts')));
withExamples(valves, [
  ['tasmart valves', 'every valve of every project'],
  ['tasmart valves --format csv > valves.csv', 'a list to work with'],
]);

const link = program
  .command('link')
  .description('link valves to registers of our own backend')
  .usage(usageText('link', ['<valve> <register>', '<valve> --remove', '--from <file.csv>', '--list']))
  .argument('[valve]', 'uuid, full or short serial, or name')
  .argument('[register]', 'how our own backend calls it')
  .option('--remove', 'unlink it')
  .option('--from <file.csv>', 'link many: a valve and a register in each line; all of them, or none')
  .option('--list', 'show what is linked')
  .addOption(formatOption())
  .action(createAction(() => import('./commands/link.ts')));
withExamples(link, [
  ['tasmart link dc8a9c16 METER-0042', 'link'],
  ['tasmart link dc8a9c16 --remove', 'unlink'],
  ['tasmart link --from links.csv', 'link many: a valve and a register in each line'],
]);

const status = program
  .command('status')
  .description('how old the readings of every valve are, and what is missing; exit 1 when any is too old')
  .option('--max-age <duration>', 'how old a reading may be, such as 45m or 2h (default: three intervals)')
  .option('--watch', 'show it again every ten seconds, until Ctrl-C')
  .addOption(projectOption())
  .addOption(formatOption())
  .action(createAction(() => import('./commands/status.ts')));
withExamples(status, [
  ['tasmart status', 'every valve'],
  ['tasmart status --watch', 'on a terminal, again and again'],
  ['tasmart status --max-age 2h || echo "valves are too old"', 'for a monitor: exit 1 when a valve is older'],
]);

const check = program
  .command('check')
  .description('try everything a run needs, and say what is wrong and how to mend it')
  .addOption(formatOption(['table', 'json']))
  .action(createAction(() => import('./commands/check.ts')));
withExamples(check, [
  ['tasmart check', 'files, credentials, valves, database, rights, last run'],
  ['tasmart --env-file staging.env check', 'with other credentials'],
]);

const migrate = program
  .command('migrate')
  .description('create or upgrade the database schema')
  .option('--print-grants', 'change nothing; print what a role for polling and one for dashboards need, as SQL')
  .action(createAction(() => import('./commands/migrate.ts')));
withExamples(migrate, [
  ['tasmart migrate', 'as the owner of the tables; safe to run twice'],
  ['tasmart migrate --print-grants', 'SQL for psql, run by the owner of the tables'],
]);

const completion = program
  .command('completion')
  .description('what your shell needs to complete commands and options')
  .addArgument(new Argument('<shell>').choices(['bash', 'zsh', 'fish']))
  .action(createAction(async () => (await import('./commands/completion.ts')).completionOf(program, poll)));
withExamples(completion, [
  ['source <(tasmart completion bash)', 'for this shell; put it into ~/.bashrc for every one'],
  ['source <(tasmart completion zsh)', 'for this shell; put it into ~/.zshrc, after compinit, for every one'],
  ['tasmart completion fish > ~/.config/fish/completions/tasmart.fish', 'for every shell'],
]);

const help = program
  .command('help')
  .description('what a command does, its options, and examples')
  .argument('[command]')
  .action((name: string | undefined) => printHelp(program, name));
withExamples(help, [['tasmart help poll', 'the same as "tasmart poll --help"']]);
