/** Picks single valves from lists of valves. */
import type { isCalled } from '../domain/valve.ts';
import { isNamed, type Project, type Valve } from '../domain/valve.ts';
import { TargetError } from './target-errors.ts';

/** Keeps the wanted valves; without names, all. @throws TargetError for a name that two valves have */
export function pickValves(
  projects: readonly Project[],
  wanted: readonly string[],
  isMeant: typeof isCalled = isNamed,
): { kept: readonly Project[]; missing: readonly string[] } {
  if (wanted.length === 0) return { kept: projects, missing: [] };
  const all = new Map<string, Valve>(projects.flatMap(({ valves }) => valves.map((valve) => [valve.id, valve])));
  const ids = new Set<string>();
  const missing: string[] = [];
  for (const name of wanted) {
    const fitting = [...all.values()].filter((valve) => isMeant(valve, name));
    if (fitting.length > 1) {
      const candidates = fitting.map(({ id }) => id).join(', ');
      throw new TargetError(`${fitting.length} valves are called ${name}: ${candidates}`, 'name it by its uuid');
    }
    if (fitting[0]) ids.add(fitting[0].id);
    else missing.push(name);
  }
  const kept = projects.map((project) => ({ ...project, valves: project.valves.filter(({ id }) => ids.has(id)) }));
  return { kept: kept.filter(({ valves }) => valves.length > 0), missing };
}

/** Keeps each valve only in the first project that lists it, and only once there. */
export function eachValveOnce(projects: readonly Project[]): Project[] {
  const seen = new Set<string>();
  const isNew = ({ id }: Valve): boolean => {
    if (seen.has(id)) return false;
    seen.add(id);
    return true;
  };
  return projects.map((project) => ({ ...project, valves: project.valves.filter(isNew) }));
}
