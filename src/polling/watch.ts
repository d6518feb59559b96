import type { Target } from '../domain/target.ts';
import { isNamed, type Valve } from '../domain/valve.ts';
import type { KnownProjects } from './targets.ts';

/** What a valve is watched by: its names, and where it was last seen. */
export interface Watchable extends Pick<Valve, 'id' | 'fullSn' | 'shortSn'> {
  projectId: string | null;
  /** false: HyCloud lists its project, but no longer the valve */
  isListed: boolean;
}

export interface Watch<V> {
  /** valves that the targets mean */
  watched: V[];
  /** valves that a targeted project once had: shown, but nobody need do anything about them */
  left: V[];
  /** targets that no run has found yet, in words */
  unknown: string[];
}

/**
 * Which of the valves known here the targets mean, without asking HyCloud. A valve that left its project is no longer
 * watched, unless it is targeted by its own name: that somebody wants it, only config.json can unsay. Without targets,
 * every valve is meant.
 *
 * @param projects what each configured name meant when it was first polled
 */
export function watch<V extends Watchable>(
  valves: readonly V[],
  targets: readonly Target[],
  projects: KnownProjects,
): Watch<V> {
  const wanted = new Set<V>();
  const gone = new Set<V>();
  const unknown: string[] = [];
  for (const target of targets.length > 0 ? targets : [EVERYTHING]) {
    const inProject = valves.filter(isIn(target, projects));
    if (target.valves.length === 0) {
      for (const valve of inProject) (valve.isListed ? wanted : gone).add(valve);
      if (inProject.length === 0) unknown.push(`no valve of ${describe(target)} was ever polled`);
    }
    for (const name of target.valves) {
      const fitting = inProject.filter((valve) => isNamed(valve, name));
      for (const valve of fitting) wanted.add(valve);
      if (fitting.length === 0) unknown.push(`valve ${name} was never polled`);
    }
  }
  const left = valves.filter((valve) => gone.has(valve) && !wanted.has(valve));
  return { watched: valves.filter((valve) => wanted.has(valve)), left, unknown };
}

const EVERYTHING: Target = { projectId: null, projectName: null, valves: [] };

function isIn({ projectId, projectName }: Target, projects: KnownProjects): (valve: Watchable) => boolean {
  if (projectId !== null) return (valve) => valve.projectId === projectId;
  if (projectName === null) return () => true;
  const known = projects.get(projectName.normalize('NFC'));
  return (valve) => valve.projectId === known?.id;
}

function describe({ projectId, projectName }: Target): string {
  if (projectId !== null) return `project ${projectId}`;
  return projectName === null ? 'any project' : `project "${projectName}"`;
}
