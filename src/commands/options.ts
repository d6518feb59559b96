/** What the command line consists of: options that several commands share, examples, and what makes mistakes clear. */
import { Option, type Command } from 'commander';
import { distance } from 'fastest-levenshtein';
import { UNKNOWN_WIDTH } from '../reporting/table.ts';
import { OUTPUT_FORMATS } from './context.ts';

const TIMES = 'RFC 3339, a local date or date-time, now, today, yesterday, or 24h, 7d (ago)';

export function fromOption(more = ''): Option {
  return new Option('--from <time>', `${TIMES}${more}`);
}

export function toOption(more = ' (default: now)'): Option {
  return new Option('--to <time>', `likewise${more}`);
}

/** An option whose values add up to a list. */
export function repeated(flags: string, description: string): Option {
  return new Option(flags, description).argParser((value: string, previous: string[] | undefined) => [
    ...(previous ?? []),
    value,
  ]);
}

export function valveOption(): Option {
  return repeated('--valve <id, serial or name>', 'only this valve; may be repeated');
}

export function projectOption(): Option {
  return repeated('--project <name or id>', 'only the valves of this project; may be repeated');
}

export function zoneOption(): Option {
  return new Option('--tz <zone>', 'time zone of days, hours and local times (default: timezone of config.json)');
}

export function formatOption(formats: readonly string[] = OUTPUT_FORMATS): Option {
  return new Option('--format <format>', 'how to print').choices(formats).default('table');
}

/** Options that `requireOptions` checks. Commander's own check names only the first that is missing. */
const required = new WeakSet<Option>();

/** Marks an option that its command cannot do without. */
export function needed(option: Option): Option {
  option.description += ' (required)';
  required.add(option);
  return option;
}

/** @throws CommanderError naming every required option that is missing */
export function requireOptions(command: Command): void {
  const missing = command.options.filter(
    (option) => required.has(option) && command.getOptionValue(option.attributeName()) === undefined,
  );
  if (missing.length > 0) command.error(`error: missing ${missing.map(({ flags }) => flags).join(', ')}`);
}

/** The ways to call a command, a line each. */
export function usages(name: string, ways: readonly string[]): string {
  return ways.join(`\n       tasmart ${name} `);
}

type Example = readonly [line: string, meaning: string];

/** Adds examples to a command's help, and names that help in its error messages. */
export function withExamples(command: Command, examples: readonly Example[]): void {
  command.addHelpText('after', () => `\nExamples:\n${examplesText(examples, helpWidth(command))}`);
  const name = command.parent === null ? '' : ` ${command.name()}`;
  command.showHelpAfterError(`(run "tasmart${name} --help" for its options and examples)`);
}

/** Meanings stand beside their lines, or below them where they do not fit. */
function examplesText(examples: readonly Example[], width: number): string {
  const longest = Math.max(...examples.map(([line]) => line.length));
  const beside = examples.map(([line, meaning]) => `  ${line.padEnd(longest)}  ${meaning}`);
  if (beside.every((line) => line.length <= width)) return beside.join('\n');
  return examples.map(([line, meaning]) => `  ${line}\n      ${meaning}`).join('\n');
}

/** As commander wraps the options above. */
function helpWidth(command: Command): number {
  return command.configureOutput().getOutHelpWidth?.() ?? UNKNOWN_WIDTH;
}

/**
 * Prints the help of a command, or of all.
 *
 * @throws CommanderError with the nearest command
 */
export function printHelp(program: Command, name: string | undefined): void {
  const command = name === undefined ? program : program.commands.find((each) => each.name() === name);
  if (command) command.outputHelp();
  else refuseCommand(program, name ?? '');
}

/**
 * A first word that names no command would reach the default command, which would then blame an option that it does not
 * know. So it is refused before.
 *
 * @throws CommanderError with the nearest command
 */
export function refuseUnknownCommand(program: Command, chosen: Command): void {
  const [word] = program.args;
  if (word === undefined || word.startsWith('-') || word === chosen.name()) return;
  refuseCommand(program, word);
}

function refuseCommand(program: Command, word: string): never {
  const near = nearestCommand(word, program);
  const hint = near === null ? '' : `\n(did you mean "tasmart ${near}"?)`;
  program.error(`error: there is no command "${word}"${hint}`);
}

/** null: none is near. */
function nearestCommand(word: string, program: Command): string | null {
  const names = program.commands.map((command) => command.name());
  const begun = names.filter((name) => name.startsWith(word));
  if (begun.length > 0) return begun[0] ?? null;
  const [nearest] = names
    .map((name) => ({ name, edits: distance(word.toLowerCase(), name) }))
    .sort((a, b) => a.edits - b.edits);
  return nearest && nearest.edits <= Math.max(1, nearest.name.length / 3) ? nearest.name : null;
}
