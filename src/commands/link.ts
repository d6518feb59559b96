import { distance } from 'fastest-levenshtein';
import { linkValve } from '../database/links.ts';
import { withDatabase } from '../database/open.ts';
import { loadRegisteredValves, type RegisteredValve } from '../database/status.ts';
import { KnownError } from '../domain/errors.ts';
import { printable } from '../domain/text.ts';
import { isCalled, valveLabel } from '../domain/valve.ts';
import type { CommandContext } from './context.ts';
import { createLog } from './log.ts';
import { OPEN_OPTIONS } from './package.ts';
import { loadConfig } from './settings.ts';

export interface LinkOptions {
  remove?: boolean;
}

/** `tasmart link`: ties a valve to a register of our own backend, or unties it. */
export async function run(
  { remove }: LinkOptions,
  { globals, giveUp, args: [wanted = '', register] }: CommandContext,
): Promise<number> {
  const target = checkedRegister(register, remove ?? false);
  const log = await createLog(globals);
  const config = await loadConfig(globals, ['database'], log);
  const said = await withDatabase(config.database, { ...OPEN_OPTIONS, giveUp }, async (database) => {
    const valves = await loadRegisteredValves(database);
    const valve = pickValve(valves, wanted);
    const outcome = await linkValve(database, valve.id, target);
    if ('heldBy' in outcome) throw new RegisterTakenError(target ?? '', outcome.heldBy, valves);
    return describe(valve, target, outcome);
  });
  process.stdout.write(`${said}\n`);
  return 0;
}

/** PostgreSQL's index takes 2704 bytes. */
const MAX_REGISTER_LENGTH = 255;

/** null: none. @throws KnownError exit 64 */
function checkedRegister(register: string | undefined, remove: boolean): string | null {
  if (remove !== (register === undefined)) {
    throw new KnownError('usage', remove ? '--remove takes no register' : 'no register is given', {
      remedy: 'write "tasmart link <valve> <register>" or "tasmart link <valve> --remove"',
    });
  }
  if (register !== undefined && register.length > MAX_REGISTER_LENGTH) {
    throw new KnownError('usage', `the register is longer than ${MAX_REGISTER_LENGTH} characters`);
  }
  if (register !== undefined && (register.trim() !== register || register === '' || /\p{Cc}/u.test(register))) {
    throw new KnownError('usage', 'the register is empty, or begins or ends in a blank, or holds a control character');
  }
  return register ?? null;
}

type NamedValve = Pick<RegisteredValve, 'id' | 'shortSn' | 'fullSn' | 'userId'>;

/** The one valve that `wanted` means. @throws KnownError exit 78: the valve is unknown or ambiguous */
export function pickValve<V extends NamedValve>(valves: readonly V[], wanted: string): V {
  const [valve, ...others] = valves.filter((candidate) => isCalled(candidate, wanted));
  if (!valve) {
    const near = nearest(valves, wanted);
    throw new KnownError('config', `no valve that was polled is called ${printable(wanted)}`, {
      remedy: near ? `nearest: ${describeValve(near)}; "tasmart valves" lists them` : 'run "tasmart poll" first',
    });
  }
  if (others.length === 0) return valve;
  throw new KnownError('config', `${others.length + 1} valves are called ${wanted}`, {
    remedy: `name it by its uuid: ${[valve, ...others].map((each) => `${each.id} (${printable(valveLabel(each))})`).join(', ')}`,
  });
}

function nearest(valves: readonly NamedValve[], wanted: string): NamedValve | null {
  const name = wanted.toLowerCase();
  const far = ({ id, fullSn, shortSn, userId }: NamedValve) =>
    Math.min(
      ...[id, fullSn, shortSn, userId].map((own) => (own === null ? Infinity : distance(name, own.toLowerCase()))),
    );
  return [...valves].sort((a, b) => far(a) - far(b))[0] ?? null;
}

/** Exit 78, not 64: the command line is sound; it is the links made earlier that stand against it. */
class RegisterTakenError extends KnownError {
  override readonly name = 'RegisterTakenError';

  constructor(register: string, holderId: string, valves: readonly RegisteredValve[]) {
    const holder = valves.find(({ id }) => id === holderId);
    const name = holder ? describeValve(holder) : holderId;
    super('config', `register ${printable(register)} is linked to another valve, ${name}`, {
      remedy: `if that has changed: "tasmart link ${holderId} --remove" first`,
    });
  }
}

function describe(
  valve: RegisteredValve,
  register: string | null,
  { changed, before }: { changed: boolean; before: string | null },
): string {
  const name = describeValve(valve);
  if (register === null) {
    return changed ? `${name}: no longer linked to register ${printable(before ?? '')}` : `${name}: was not linked`;
  }
  if (!changed) return `${name}: linked to register ${printable(register)} already`;
  return `${name}: linked to register ${printable(register)}${before === null ? '' : `, no longer to ${printable(before)}`}`;
}

export function describeValve(valve: NamedValve): string {
  const names = [valve.shortSn ?? valve.id, valve.userId].filter((name) => name !== null);
  return names.map((name) => printable(name)).join(' · ');
}
