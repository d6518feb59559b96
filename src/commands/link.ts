/** `tasmart link`: links valves to registers of the operator's own backend. */
import { readFile } from 'node:fs/promises';
import { distance } from 'fastest-levenshtein';
import { linkValves, type Link } from '../database/links.ts';
import type { Database } from '../database/connection.ts';
import { withDatabase } from '../database/open.ts';
import { loadRegisteredValves, type RegisteredValve } from '../database/status.ts';
import { KnownError } from '../domain/errors.ts';
import { count, printable, spelledOut } from '../domain/text.ts';
import { isCalled, valveLabel } from '../domain/valve.ts';
import { removeGuards } from '../reporting/report/page/csv-guard.ts';
import { linksText } from '../reporting/links.ts';
import type { CommandContext, OutputFormat } from './shared/context.ts';
import { parseLinks, type LinkLine } from './link/file.ts';
import { createLog } from './shared/log.ts';
import { OPEN_OPTIONS } from './shared/package.ts';
import { loadConfig } from './shared/settings.ts';
import { decodeText } from './shared/text-file.ts';

export interface LinkOptions {
  remove?: boolean;
  list?: boolean;
  from?: string;
  format: OutputFormat;
}

/** Links a valve to a register, or unlinks it; links many from a file; or lists the links. */
export async function run(options: LinkOptions, { globals, giveUp, args }: CommandContext): Promise<number> {
  const execute = commandOf(options, args);
  const log = await createLog(globals);
  const config = await loadConfig(globals, ['database'], log);
  const output = await withDatabase(config.database, { ...OPEN_OPTIONS, giveUp }, async (database) =>
    execute(database, await loadRegisteredValves(database)),
  );
  process.stdout.write(output);
  return 0;
}

/** One way to call the command. Returns the text to print. */
type LinkCommand = (database: Database, valves: readonly RegisteredValve[]) => string | Promise<string>;

/** The way to call the command that the options choose. @throws KnownError exit 64 */
function commandOf({ remove = false, list = false, from, format }: LinkOptions, args: readonly string[]): LinkCommand {
  const [wanted, register] = args;
  const takesNoValve = list || from !== undefined;
  if (takesNoValve && (remove || wanted !== undefined)) throw wrongUsage('--list and --from take no valve');
  if (list && from !== undefined) throw wrongUsage('--list and --from exclude each other');
  if (list) return (_database, valves) => linksText(format, valves);
  if (from !== undefined) return (database, valves) => linkFile(database, valves, from);
  if (wanted === undefined) throw wrongUsage('no valve is given');
  if (remove !== (register === undefined)) {
    throw wrongUsage(remove ? '--remove takes no register' : 'no register is given');
  }
  const problem = register === undefined ? null : registerProblem(register);
  if (problem !== null) throw new KnownError('usage', problem);
  return (database, valves) => linkOne(database, valves, wanted, register ?? null);
}

function wrongUsage(message: string): KnownError {
  return new KnownError('usage', message, {
    remedy: 'write "tasmart link <valve> <register>", "… <valve> --remove", "… --from <file.csv>" or "… --list"',
  });
}

/** So that a register fits PostgreSQL's index, which takes 2704 bytes. */
const MAX_REGISTER_LENGTH = 255;

/** Says why this cannot be the name of a register; null: it can */
function registerProblem(register: string): string | null {
  if (register.length > MAX_REGISTER_LENGTH) return `the register is longer than ${MAX_REGISTER_LENGTH} characters`;
  if (register.trim() !== register || register === '' || spelledOut(register) !== register) {
    return 'the register is empty, or begins or ends in a blank, or holds a control character or an invisible one';
  }
  // `link --list --format csv` could not be imported again.
  if (removeGuards(register) !== register) return `the register holds a ' before a formula`;
  return null;
}

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
  const lines = parseLinks(await readLinkFile(file));
  const problems: string[] = [];
  const links: Link[] = [];
  const lineOfValve = new Map<string, number>();
  for (const line of lines) {
    const link = findLink(valves, line);
    const earlier = typeof link === 'string' ? undefined : lineOfValve.get(link.tasmartId);
    if (typeof link === 'string') problems.push(`  line ${line.number}: ${link}`);
    else if (earlier !== undefined) {
      problems.push(`  line ${line.number}: valve ${printable(line.valve)} is in line ${earlier} already`);
    } else {
      lineOfValve.set(link.tasmartId, line.number);
      links.push(link);
    }
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

/** @throws KnownError exit 78 */
async function readLinkFile(file: string): Promise<string> {
  const bytes = await readFile(file).catch((cause: unknown) => {
    const code = (cause as NodeJS.ErrnoException).code ?? '?';
    throw new KnownError('config', `${file} cannot be read (${code})`, { remedy: 'check --from', cause });
  });
  const text = decodeText(bytes);
  if (text === null) throw new KnownError('config', `${file} is in UTF-16`, { remedy: 'save it as UTF-8' });
  return text;
}

/** The link of a line, or a text that says why there is none. */
function findLink(valves: readonly RegisteredValve[], { valve: wanted, register, problem }: LinkLine): Link | string {
  const lineProblem = problem ?? registerProblem(register);
  if (lineProblem !== null) return lineProblem;
  const valve = findValve(valves, wanted);
  return valve instanceof KnownError ? valve.message : { tasmartId: valve.id, register };
}

type NamedValve = Pick<RegisteredValve, 'id' | 'shortSn' | 'fullSn' | 'userId'>;

/** The one valve that `wanted` means. @throws KnownError exit 78: the valve is unknown or ambiguous */
export function pickValve<V extends NamedValve>(valves: readonly V[], wanted: string): V {
  const valve = findValve(valves, wanted);
  if (valve instanceof KnownError) throw valve;
  return valve;
}

/** Like `pickValve`, but returns the error. */
function findValve<V extends NamedValve>(valves: readonly V[], wanted: string): V | KnownError {
  const [valve, ...others] = valves.filter((candidate) => isCalled(candidate, wanted));
  if (!valve) {
    const near = nearest(valves, wanted);
    return new KnownError('config', `no valve that was polled is called ${printable(wanted)}`, {
      remedy: near ? `nearest: ${describeValve(near)}; "tasmart valves" lists them` : 'run "tasmart poll" first',
    });
  }
  if (others.length === 0) return valve;
  const uuids = [valve, ...others].map((namesake) => `${namesake.id} (${printable(valveLabel(namesake))})`);
  return new KnownError('config', `${others.length + 1} valves are called ${printable(wanted)}`, {
    remedy: `name it by its uuid: ${uuids.join(', ')}`,
  });
}

/** The valve whose name or serial is most like `wanted`; null: there are no valves */
function nearest(valves: readonly NamedValve[], wanted: string): NamedValve | null {
  const name = wanted.toLowerCase();
  const editsTo = ({ id, fullSn, shortSn, userId }: NamedValve) => {
    const names = [id, fullSn, shortSn, userId].filter((known) => known !== null);
    return Math.min(...names.map((known) => distance(name, known.toLowerCase())));
  };
  return [...valves].sort((a, b) => editsTo(a) - editsTo(b))[0] ?? null;
}

/** @param line the line of the same file that links the register to the holder */
function takenMessage(register: string, holderId: string, valves: readonly RegisteredValve[], line?: number): string {
  const holder = valves.find(({ id }) => id === holderId);
  const name = holder ? describeValve(holder) : holderId;
  const where = line === undefined ? 'is linked to another valve' : `is in line ${line} for another valve`;
  return `register ${printable(register)} ${where}, ${name}`;
}

/** @param before the valve's register until now; null: none */
function describeChange(valve: RegisteredValve, register: string | null, before: string | null): string {
  const name = describeValve(valve);
  if (register === null) {
    return before === null ? `${name}: was not linked` : `${name}: no longer linked to register ${printable(before)}`;
  }
  if (before === register) return `${name}: linked to register ${printable(register)} already`;
  return `${name}: linked to register ${printable(register)}${before === null ? '' : `, no longer to ${printable(before)}`}`;
}

export function describeValve(valve: NamedValve): string {
  const names = [valve.shortSn ?? valve.id, valve.userId].filter((name) => name !== null);
  return names.map((name) => printable(name)).join(' · ');
}
