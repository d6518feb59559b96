/** Picks single valves from lists of valves. */
import { isNamed, type Project, type Valve } from '../domain/valve.ts';
import { TargetError } from './target-errors.ts';

/**
 * Keeps the wanted valves, and the projects that have some of them; without names, all. `missing`: names that no valve has.
 *
 * @throws TargetError for a name that two valves have
 */
export function pickValves(
  projects: readonly Project[],
  wanted: readonly string[],
  hasName: (valve: Valve, name: string) => boolean = isNamed,
): { kept: readonly Project[]; missing: readonly string[] } {
  if (wanted.length === 0) return { kept: projects, missing: [] };
  const allValves = projects.flatMap(({ valves }) => valves);
  const ids = new Set<string>();
  const missing: string[] = [];
  for (const name of wanted) {
    // A set, because several projects may list one valve.
    const [id, ...otherIds] = new Set(allValves.filter((valve) => hasName(valve, name)).map((valve) => valve.id));
    if (otherIds.length > 0) {
      const candidates = [id, ...otherIds].join(', ');
      throw new TargetError(`${otherIds.length + 1} valves are called ${name}: ${candidates}`, 'name it by its uuid');
    }
    if (id === undefined) missing.push(name);
    else ids.add(id);
  }
  const kept = projects.map((project) => ({ ...project, valves: project.valves.filter(({ id }) => ids.has(id)) }));
  return { kept: kept.filter(({ valves }) => valves.length > 0), missing };
}

/** Keeps each valve only in the first project that lists it, and only once there. */
export function eachValveOnce(projects: readonly Project[]): Project[] {
  const keptIds = new Set<string>();
  const isNew = ({ id }: Valve): boolean => {
    if (keptIds.has(id)) return false;
    keptIds.add(id);
    return true;
  };
  return projects.map((project) => ({ ...project, valves: project.valves.filter(isNew) }));
}
