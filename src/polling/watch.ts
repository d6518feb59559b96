/** Which valves of the registry an account watches. Does not ask HyCloud. */
import { EVERYTHING, type Meaning, type Target } from '../domain/target.ts';
import { isNamed, type Valve } from '../domain/valve.ts';

/** A valve's names, and the projects that have listed it. */
export interface Watchable extends Pick<Valve, 'id' | 'fullSn' | 'shortSn'> {
  /** `isListed` false: for more than a day, HyCloud has listed the project without the valve */
  projects: readonly { id: string; isListed: boolean }[];
}

export interface Watch<V> {
  /** valves of the targets */
  watched: V[];
  /** valves that left a targeted project: they are shown, but never late */
  left: V[];
  /** messages about targets that no run has found yet */
  unknown: string[];
}

/** An account's targets, and the projects that it listed in its last polls (see loadMeanings). */
export interface Watcher {
  targets: readonly Target[];
  meanings: ReadonlyMap<string, readonly Meaning[]>;
}

/**
 * Finds the registered valves that an account's targets mean. Without targets, all valves are watched.
 *
 * A valve that left its project is no longer watched, unless the target names the valve itself.
 */
export function watch<V extends Watchable>(valves: readonly V[], { targets, meanings }: Watcher): Watch<V> {
  const watched = new Set<V>();
  const left = new Set<V>();
  const unknown: string[] = [];
  for (const target of targets.length > 0 ? targets : [EVERYTHING]) {
    const placeOf = placesFor(target, meanings);
    const inProject = valves.filter((valve) => placeOf(valve) !== 'elsewhere');
    if (target.valves.length === 0) {
      for (const valve of inProject) (placeOf(valve) === 'listed' ? watched : left).add(valve);
      if (inProject.length === 0) unknown.push(`no valve of ${describe(target)} was ever polled`);
    }
    for (const name of target.valves) {
      const named = inProject.filter((valve) => isNamed(valve, name));
      for (const valve of named) watched.add(valve);
      if (named.length === 0) unknown.push(`valve ${name} was never polled`);
    }
  }
  return {
    watched: valves.filter((valve) => watched.has(valve)),
    left: valves.filter((valve) => left.has(valve) && !watched.has(valve)),
    unknown,
  };
}

/** Returns a function: whether the projects of the target list a valve, have lost it, or never had it. */
function placesFor(target: Target, meanings: Watcher['meanings']) {
  const ids = target === EVERYTHING ? null : new Set(projectsOf(target, meanings));
  return ({ projects }: Watchable): 'listed' | 'left' | 'elsewhere' => {
    const places = projects.filter(({ id }) => ids?.has(id) ?? true);
    if (places.length === 0) return 'elsewhere';
    return places.some(({ isListed }) => isListed) ? 'listed' : 'left';
  };
}

/** The ids of a target's projects. A target without a project may have its valves in any project of the account. */
function projectsOf({ projectId, projectName }: Target, meanings: Watcher['meanings']): string[] {
  if (projectId !== null) return [projectId];
  const possible = projectName === null ? [...meanings.values()].flat() : meanings.get(projectName.normalize('NFC'));
  const idsFrom = (source: Meaning['from']) =>
    (possible ?? []).filter(({ from }) => from === source).map((meaning) => meaning.projectId);
  // Without a configured key (a machine that only watches), several keys may have resolved the name to different projects.
  const ownIds = idsFrom('own');
  if (ownIds.length > 0) return ownIds;
  // The likeliest is the first: see Memory.
  return projectName === null ? idsFrom('inherited') : idsFrom('inherited').slice(0, 1);
}

function describe({ projectId, projectName }: Target): string {
  if (projectId !== null) return `project ${projectId}`;
  return projectName === null ? 'any project' : `project "${projectName}"`;
}
