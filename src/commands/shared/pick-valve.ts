/** Finds the one valve that an argument names. */
import { distance } from 'fastest-levenshtein';
import type { RegisteredValve } from '../../database/status.ts';
import { KnownError } from '../../domain/errors.ts';
import { escapeAndCut } from '../../domain/text.ts';
import { isCalled, valveLabel } from '../../domain/valve.ts';

type NamedValve = Pick<RegisteredValve, 'id' | 'shortSn' | 'fullSn' | 'userId'>;

/** The one valve that `wanted` means. @throws KnownError exit 78: the valve is unknown or ambiguous */
export function pickValve<V extends NamedValve>(valves: readonly V[], wanted: string): V {
  const valve = findValve(valves, wanted);
  if (valve instanceof KnownError) throw valve;
  return valve;
}

/** Like `pickValve`, but returns the error. */
export function findValve<V extends NamedValve>(valves: readonly V[], wanted: string): V | KnownError {
  const [valve, ...others] = valves.filter((candidate) => isCalled(candidate, wanted));
  if (!valve) {
    const near = nearestValve(valves, wanted);
    return new KnownError('config', `no valve that was polled is called ${escapeAndCut(wanted)}`, {
      remedy: near ? `nearest: ${describeValve(near)}; "tasmart valves" lists them` : 'run "tasmart poll" first',
    });
  }
  if (others.length === 0) return valve;
  const uuids = [valve, ...others].map((namesake) => `${namesake.id} (${escapeAndCut(valveLabel(namesake))})`);
  return new KnownError('config', `${others.length + 1} valves are called ${escapeAndCut(wanted)}`, {
    remedy: `name it by its uuid: ${uuids.join(', ')}`,
  });
}

/** The valve whose name or serial is most like `wanted`; null: there are no valves */
function nearestValve(valves: readonly NamedValve[], wanted: string): NamedValve | null {
  const name = wanted.toLowerCase();
  const editsTo = ({ id, fullSn, shortSn, userId }: NamedValve) => {
    const names = [id, fullSn, shortSn, userId].filter((known) => known !== null);
    return Math.min(...names.map((known) => distance(name, known.toLowerCase())));
  };
  return [...valves].sort((a, b) => editsTo(a) - editsTo(b))[0] ?? null;
}

/** The valve's serial and its name; without a serial, its uuid. */
export function describeValve(valve: NamedValve): string {
  const names = [valve.shortSn ?? valve.id, valve.userId].filter((name) => name !== null);
  return names.map((name) => escapeAndCut(name)).join(' · ');
}
