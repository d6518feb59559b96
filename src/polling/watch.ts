import type { Meaning, Target } from '../domain/target.ts';
import { isNamed, type Valve } from '../domain/valve.ts';

/** A valve's names, and the projects that have listed it. */
export interface Watchable extends Pick<Valve, 'id' | 'fullSn' | 'shortSn'> {
  account: string;
  /** `isListed` false: the project has been read since, and no longer lists the valve */
  projects: readonly { id: string; isListed: boolean }[];
}

export interface Watch<V> {
  /** valves of the targets */
  watched: V[];
  /** valves that left a targeted project: shown, but never alarmed about */
  left: V[];
  /** messages about targets that no run has found yet */
  unknown: string[];
}

/** An account's targets, and the projects that their names meant in its last poll. */
export interface Watcher {
  name: string;
  targets: readonly Target[];
  meanings: ReadonlyMap<string, readonly Meaning[]>;
}

/**
 * Which registered valves an account's targets mean. Does not ask HyCloud. Without targets, all valves are watched.
 *
 * A valve that left its project is no longer watched, unless the target names the valve itself.
 */
export function watch<V extends Watchable>(
  valves: readonly V[],
  { name: account, targets, meanings }: Watcher,
): Watch<V> {
  const wanted = new Set<V>();
  const gone = new Set<V>();
  const unknown: string[] = [];
  for (const target of targets.length > 0 ? targets : [EVERYTHING]) {
    const placeIn = placesOf(target, meanings);
    const inProject = valves.filter((valve) => placeIn(valve) !== 'elsewhere');
    if (target.valves.length === 0) {
      for (const valve of inProject) (placeIn(valve) === 'listed' ? wanted : gone).add(valve);
      if (inProject.length === 0) unknown.push(`no valve of ${describe(target)} was ever polled`);
    }
    for (const name of target.valves) {
      const fitting = inProject.filter((valve) => isNamed(valve, name));
      // Another account may have a valve with the same short serial.
      const own = fitting.filter((valve) => valve.account === account);
      for (const valve of own.length > 0 ? own : fitting) wanted.add(valve);
      if (fitting.length === 0) unknown.push(`valve ${name} was never polled`);
    }
  }
  const left = valves.filter((valve) => gone.has(valve) && !wanted.has(valve));
  return { watched: valves.filter((valve) => wanted.has(valve)), left, unknown };
}

const EVERYTHING: Target = { projectId: null, projectName: null, valves: [] };

/**
 * Whether a target's project lists a valve, has lost it, or never had it. For a target without a project, any project
 * counts.
 */
function placesOf(
  { projectId, projectName }: Target,
  meanings: Watcher['meanings'],
): (valve: Watchable) => 'listed' | 'left' | 'elsewhere' {
  if (projectId === null && projectName === null) {
    return ({ projects }) => (projects.length === 0 || projects.some(({ isListed }) => isListed) ? 'listed' : 'left');
  }
  const known = meanings.get(projectName?.normalize('NFC') ?? '') ?? [];
  const wanted = projectId ?? known.find(({ from }) => from !== 'other key')?.projectId;
  return ({ projects }) => {
    const membership = projects.find(({ id }) => id === wanted);
    if (!membership) return 'elsewhere';
    return membership.isListed ? 'listed' : 'left';
  };
}

function describe({ projectId, projectName }: Target): string {
  if (projectId !== null) return `project ${projectId}`;
  return projectName === null ? 'any project' : `project "${projectName}"`;
}
