/** Options that several commands share, examples in the help, and error messages for a wrong command line. */
import { Option, type Command } from 'commander';
import { distance } from 'fastest-levenshtein';
import { UNKNOWN_WIDTH } from '../../reporting/table.ts';
import { OUTPUT_FORMATS } from './context.ts';

/** @param defaultText names in the help what the command uses without the option; commander sets no value then */
export function fromOption(defaultText?: string): Option {
  const times = 'RFC 3339, a local date or date-time, now, today, yesterday, or 24h, 7d (ago)';
  return new Option('--from <time>', withDefault(times, defaultText));
}

/** A time other than --from. @param defaultText as for `fromOption` */
export function timeOption(flags: string, defaultText?: string): Option {
  return new Option(flags, withDefault('a time, as for --from', defaultText));
}

function withDefault(description: string, defaultText: string | undefined): string {
  return defaultText === undefined ? description : `${description} (default: ${defaultText})`;
}

/** An option that may be given several times: its value is a list. */
export function repeatedOption(flags: string, description: string): Option {
  return new Option(flags, description).argParser((value: string, previous: string[] | undefined) => [
    ...(previous ?? []),
    value,
  ]);
}

export function valveOption(): Option {
  return repeatedOption('--valve <id, serial or name>', 'only this valve; may be repeated');
}

export function projectOption(): Option {
  return repeatedOption('--project <name or id>', 'only the valves that this project has now; may be repeated');
}

export function zoneOption(): Option {
  return new Option('--tz <zone>', 'time zone of days, hours and local times (default: timezone of config.json)');
}

export function formatOption(formats: readonly string[] = OUTPUT_FORMATS): Option {
  return new Option('--format <format>', 'how to print').choices(formats).default('table');
}

/** Options that `requireOptions` checks. Commander's own check would name only the first missing option. */
const required = new WeakSet<Option>();

/** Makes an option required: adds this to its help, and makes `requireOptions` check it. */
export function requiredOption(option: Option): Option {
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

/** The usage text of a command, one line for each way to call it. Commander writes `tasmart <name> ` before the first. */
export function usageText(name: string, ways: readonly string[]): string {
  return ways.join(`\n       tasmart ${name} `);
}

type Example = readonly [line: string, meaning: string];

/** Adds examples to a command's help, and names that help in its error messages. */
export function withExamples(command: Command, examples: readonly Example[]): void {
  command.addHelpText('after', () => `\nExamples:\n${examplesText(examples, helpWidth(command))}`);
  const name = command.parent === null ? '' : ` ${command.name()}`;
  command.showHelpAfterError(`(run "tasmart${name} --help" for its options and examples)`);
}

/** Puts each meaning beside its line, or below it if one of them does not fit the width. */
function examplesText(examples: readonly Example[], width: number): string {
  const longest = Math.max(...examples.map(([line]) => line.length));
  const beside = examples.map(([line, meaning]) => `  ${line.padEnd(longest)}  ${meaning}`);
  if (beside.every((line) => line.length <= width)) return beside.join('\n');
  return examples.map(([line, meaning]) => `  ${line}\n      ${meaning}`).join('\n');
}

/** The width to which commander wraps the options in the same help. */
function helpWidth(command: Command): number {
  return command.configureOutput().getOutHelpWidth?.() ?? UNKNOWN_WIDTH;
}

/**
 * Prints the help of a command, or of the program.
 *
 * @throws CommanderError with the nearest command
 */
export function printHelp(program: Command, name: string | undefined): void {
  const command = name === undefined ? program : program.commands.find((candidate) => candidate.name() === name);
  if (command) command.outputHelp();
  else refuseCommand(program, name ?? '');
}

/**
 * Refuses a first word that is not a command. Otherwise commander runs the default command, and reports an unknown option
 * instead of the unknown command.
 *
 * @param chosen the command that commander will run
 * @throws CommanderError with the nearest command
 */
export function refuseUnknownCommand(program: Command, chosen: Command): void {
  const [word] = program.args; // the first word after the global options
  const isCommandLeftOut = word === undefined || word.startsWith('-');
  if (!isCommandLeftOut && word !== chosen.name()) refuseCommand(program, word);
}

function refuseCommand(program: Command, word: string): never {
  const near = nearestCommand(word, program);
  const hint = near === null ? '' : `\n(did you mean "tasmart ${near}"?)`;
  program.error(`error: there is no command "${word}"${hint}`);
}

/** The command that begins with the word; else the one with the fewest edits. null: none is similar */
function nearestCommand(word: string, program: Command): string | null {
  const names = program.commands.map((command) => command.name());
  const beginsWithWord = names.find((name) => name.startsWith(word));
  if (word !== '' && beginsWithWord !== undefined) return beginsWithWord;
  const [nearest] = names
    .map((name) => ({ name, edits: distance(word.toLowerCase(), name) }))
    .sort((a, b) => a.edits - b.edits);
  if (!nearest) return null;
  const maxEdits = Math.max(1, nearest.name.length / 3);
  return nearest.edits <= maxEdits ? nearest.name : null;
}
