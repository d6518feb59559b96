/** `tasmart link`: links valves to registers of the operator's own backend. */
import { linkValves, type Link } from '../database/links.ts';
import type { Database } from '../database/connection.ts';
import { withDatabase } from '../database/open.ts';
import { loadRegisteredValves, type RegisteredValve } from '../database/status.ts';
import { KnownError } from '../domain/errors.ts';
import { count, escapeAndCut, escapeHostile } from '../domain/text.ts';
import { removeGuards } from '../reporting/report/page/csv-guard.ts';
import { linksText } from '../reporting/links.ts';
import type { CommandContext, OutputFormat } from './shared/context.ts';
import { parseLinks, type LinkLine } from './link/file.ts';
import { createLog } from './shared/log.ts';
import { OPEN_OPTIONS } from './shared/package.ts';
import { describeValve, findValve, pickValve } from './shared/pick-valve.ts';
import { loadConfig } from './shared/settings.ts';
import { readTextFile } from './shared/text-file.ts';

export interface LinkOptions {
  remove?: boolean;
  list?: boolean;
  from?: string;
  format: OutputFormat;
}

/** Links a valve to a register, or unlinks it; links many from a file; or lists the links. */
export async function run(options: LinkOptions, { globals, giveUp, args }: CommandContext): Promise<number> {
  const act = chooseAction(options, args);
  const log = await createLog(globals);
  const config = await loadConfig(globals, ['database'], log);
  const output = await withDatabase(config.database, { ...OPEN_OPTIONS, giveUp }, async (database) =>
    act(database, await loadRegisteredValves(database)),
  );
  process.stdout.write(output);
  return 0;
}

/** What one way to call the command does. Returns the text to print. */
type LinkAction = (database: Database, valves: readonly RegisteredValve[]) => string | Promise<string>;

/** What the options and arguments ask for. @throws KnownError exit 64 */
function chooseAction(
  { remove = false, list = false, from, format }: LinkOptions,
  args: readonly string[],
): LinkAction {
  const [wanted, register] = args;
  const takesNoValve = list || from !== undefined;
  if (takesNoValve && (remove || wanted !== undefined)) throw usageError('--list and --from take no valve');
  if (list && from !== undefined) throw usageError('--list and --from exclude each other');
  if (list) return (_database, valves) => linksText(format, valves);
  if (from !== undefined) return (database, valves) => linkFile(database, valves, from);
  if (wanted === undefined) throw usageError('no valve is given');
  if (remove) {
    if (register !== undefined) throw usageError('--remove takes no register');
    return (database, valves) => linkOne(database, valves, wanted, null);
  }
  if (register === undefined) throw usageError('no register is given');
  const problem = registerProblem(register);
  if (problem !== null) throw new KnownError('usage', problem);
  return (database, valves) => linkOne(database, valves, wanted, register);
}

function usageError(message: string): KnownError {
  return new KnownError('usage', message, {
    remedy: 'write "tasmart link <valve> <register>", "… <valve> --remove", "… --from <file.csv>" or "… --list"',
  });
}

/** So that a register fits PostgreSQL's index, which takes 2704 bytes. */
const MAX_REGISTER_LENGTH = 255;

/** Says why this cannot be the name of a register; null: it can */
function registerProblem(register: string): string | null {
  if (register.length > MAX_REGISTER_LENGTH) return `the register is longer than ${MAX_REGISTER_LENGTH} characters`;
  if (register.trim() !== register || register === '' || escapeHostile(register) !== register) {
    return 'the register is empty, or begins or ends in a blank, or holds a control character or an invisible one';
  }
  // `link --list --format csv` could not be imported again.
  if (removeGuards(register) !== register) return `the register holds a ' before a formula`;
  return null;
}

/** @param register null: unlink the valve */
async function linkOne(
  database: Database,
  valves: readonly RegisteredValve[],
  wanted: string,
  register: string | null,
): Promise<string> {
  const valve = pickValve(valves, wanted);
  const outcome = await linkValves(database, [{ tasmartId: valve.id, register }]);
  if ('before' in outcome) return `${describeChange(valve, register, outcome.before[0] ?? null)}\n`;
  const holderId = outcome.conflicts[0]?.holderId ?? '';
  // Exit 78, not 64: the command line is valid. An earlier link has taken the register.
  throw new KnownError('config', takenMessage(register ?? '', holderId, valves), {
    remedy: `if that has changed: "tasmart link ${holderId} --remove" first`,
  });
}

/** Links the valves of all lines, or of none. @throws KnownError exit 78, with every line that is wrong */
async function linkFile(database: Database, valves: readonly RegisteredValve[], file: string): Promise<string> {
  const lines = parseLinks(await readTextFile(file, 'check --from'));
  const problems: string[] = [];
  const links: Link[] = [];
  const lineOfValve = new Map<string, number>();
  for (const line of lines) {
    const link = findLink(valves, line);
    if (typeof link === 'string') {
      problems.push(`  line ${line.number}: ${link}`);
      continue;
    }
    const earlier = lineOfValve.get(link.tasmartId);
    if (earlier !== undefined) {
      problems.push(`  line ${line.number}: valve ${escapeAndCut(line.valve)} is in line ${earlier} already`);
      continue;
    }
    lineOfValve.set(link.tasmartId, line.number);
    links.push(link);
  }
  if (problems.length > 0) throw refusedFile(file, lines.length, problems);
  const outcome = await linkValves(database, links);
  if ('before' in outcome) {
    const changed = links.filter(({ register }, index) => register !== outcome.before[index]).length;
    return `${count(links.length, 'valve')} linked, ${changed} of them anew\n`;
  }
  const conflicts = outcome.conflicts.map(({ link, holderId }) => {
    const problem = takenMessage(link.register ?? '', holderId, valves, lineOfValve.get(holderId));
    return `  line ${lineOfValve.get(link.tasmartId) ?? 0}: ${problem}`;
  });
  throw refusedFile(file, lines.length, conflicts);
}

function refusedFile(file: string, lineCount: number, problems: readonly string[]): KnownError {
  const counted = `${problems.length} of ${count(lineCount, 'line')} of ${file}`;
  return new KnownError('config', `${counted} cannot be linked, so nothing was changed:\n${problems.join('\n')}`, {
    remedy: 'correct the file: a valve and a register in each line, such as 89abcdef,R-17',
  });
}

/** The link of a line, or a text that says why there is none. */
function findLink(valves: readonly RegisteredValve[], { valve: wanted, register, problem }: LinkLine): Link | string {
  const lineProblem = problem ?? registerProblem(register);
  if (lineProblem !== null) return lineProblem;
  const valve = findValve(valves, wanted);
  return valve instanceof KnownError ? valve.message : { tasmartId: valve.id, register };
}

/** @param line the line of the same file that links the register to the holder */
function takenMessage(register: string, holderId: string, valves: readonly RegisteredValve[], line?: number): string {
  const holder = valves.find(({ id }) => id === holderId);
  const name = holder ? describeValve(holder) : holderId;
  const where = line === undefined ? 'is linked to another valve' : `is in line ${line} for another valve`;
  return `register ${escapeAndCut(register)} ${where}, ${name}`;
}

/** @param before the valve's register until now; null: none */
function describeChange(valve: RegisteredValve, register: string | null, before: string | null): string {
  const name = describeValve(valve);
  if (register === null) {
    return before === null
      ? `${name}: was not linked`
      : `${name}: no longer linked to register ${escapeAndCut(before)}`;
  }
  if (before === register) return `${name}: linked to register ${escapeAndCut(register)} already`;
  return `${name}: linked to register ${escapeAndCut(register)}${before === null ? '' : `, no longer to ${escapeAndCut(before)}`}`;
}
