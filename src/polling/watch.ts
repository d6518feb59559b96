import type { Meaning, Target } from '../domain/target.ts';
import { isNamed, type Valve } from '../domain/valve.ts';

/** What a valve is watched by: its names, and where it was seen. */
export interface Watchable extends Pick<Valve, 'id' | 'fullSn' | 'shortSn'> {
  account: string;
  /** every project that has listed it; `isListed` false: the project was listed since, but without the valve */
  projects: readonly { id: string; isListed: boolean }[];
}

export interface Watch<V> {
  /** valves that the targets mean */
  watched: V[];
  /** valves that a targeted project once had: shown, but nobody need do anything about them */
  left: V[];
  /** targets that no run has found yet, in words */
  unknown: string[];
}

/** Whose targets they are, and what their project names meant when they were last polled. */
export interface Watcher {
  name: string;
  targets: readonly Target[];
  meanings: ReadonlyMap<string, readonly Meaning[]>;
}

/**
 * Which of the valves known here an account's targets mean, without asking HyCloud. A valve that left its project is no
 * longer watched, unless it is targeted by its own name: that somebody wants it, only config.json can unsay. Without
 * targets, every valve is meant.
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
      // A short serial may name a valve of another account, too.
      const own = fitting.filter((valve) => valve.account === account);
      for (const valve of own.length > 0 ? own : fitting) wanted.add(valve);
      if (fitting.length === 0) unknown.push(`valve ${name} was never polled`);
    }
  }
  const left = valves.filter((valve) => gone.has(valve) && !wanted.has(valve));
  return { watched: valves.filter((valve) => wanted.has(valve)), left, unknown };
}

const EVERYTHING: Target = { projectId: null, projectName: null, valves: [] };

/** Where a valve stands towards a target's project; to a target without one, every valve that no project has lost is listed. */
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
