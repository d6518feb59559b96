/** Resolves the configured targets to HyCloud's projects and valves. */
import type { ResolvedProjects } from '../database/registry.ts';
import type { KnownError } from '../domain/errors.ts';
import { isWithoutProject, type Target } from '../domain/target.ts';
import { isCalled, type Project } from '../domain/valve.ts';
import type { HyCloud } from '../hycloud/client.ts';
import { createLookup, mapAtOnce, type Resolution } from './lookup.ts';
import { NO_MEMORY, type Memory } from './memory.ts';
import { eachValveOnce, pickValves } from './pick-valves.ts';
import { NoSuchValve, TargetError } from './target-errors.ts';

export interface ResolvedTargets extends ResolvedProjects {
  /** why some of the targets could not be resolved; the others were */
  problems: readonly TargetProblem[];
  /** messages about projects that were renamed, share a name, or replace a deleted project */
  warnings: readonly string[];
}

export interface TargetProblem {
  reason: string;
  remedy: string | null;
  /** why the project could not be read; null: HyCloud lists no such valve, a malformed one, or too few */
  error: KnownError | null;
}

const LOOK = 'run "tasmart valves" to see what the key can see';

/** A list of valves may take 6 MB as JSON, and several times as much in memory. */
const PROJECTS_AT_ONCE = 4;

/**
 * Asks HyCloud which valves the targets mean: one request per project, and one for the list of projects.
 *
 * A name that an earlier run has resolved keeps its project, even if that project is renamed or another takes the name.
 * If a project cannot be read, the other projects still are. If the list of projects cannot be read, only new names fail.
 *
 * @throws TargetError, HyCloudError where no target could be resolved, the credentials are refused, or the run is stopped
 */
export async function resolveTargets(
  hycloud: HyCloud,
  targets: readonly Target[],
  { memory = NO_MEMORY, maxConcurrency = 1 }: { memory?: Memory; maxConcurrency?: number } = {},
): Promise<ResolvedTargets> {
  const atOnce = Math.min(maxConcurrency, PROJECTS_AT_ONCE);
  const lookup = createLookup(hycloud, memory, atOnce);
  // Resolve these first, one by one: each of them reads several projects at once.
  for (const target of targets.filter(isWithoutProject)) await lookup.resolve(target);
  const resolved = await mapAtOnce(targets, atOnce, async (target) => ({ target, ...(await lookup.resolve(target)) }));
  const found: Project[] = [];
  const listings = new Map<string, Project>();
  const meanings = new Map<string, string>();
  const problems: TargetProblem[] = [];
  for (const { target, ...resolution } of resolved) {
    const { kept, missing } = pickValves(resolution.projects, target.valves);
    found.push(...kept);
    problems.push(...problemsOf(target, resolution, missing));
    // For single valves, projects were only searched: those without such a valve are not meant.
    const keptIds = new Set(kept.map(({ id }) => id));
    const isMeant = ({ id }: Project) => !isWithoutProject(target) || keptIds.has(id);
    for (const project of resolution.projects.filter(isMeant)) {
      listings.set(project.id, project);
      const idOrName = target.projectId ?? target.projectName?.normalize('NFC');
      if (idOrName !== undefined) meanings.set(idOrName, project.id);
    }
  }
  const projects = eachValveOnce(found);
  if (problems.length > 0 && projects.every(({ valves }) => valves.length === 0)) {
    for (const { error } of problems) if (error) throw error;
    throw new TargetError(problems.map(({ reason }) => reason).join('; '), LOOK);
  }
  const warnings = lookup.warnings.sort();
  return { projects, listings: [...listings.values()], problems: eachReasonOnce(problems), meanings, warnings };
}

function problemsOf(
  target: Target,
  { projects, failures }: Resolution,
  missing: readonly string[],
): readonly TargetProblem[] {
  // If single valves are wanted and all were found, problems of other valves do not matter.
  if (target.valves.length > 0 && missing.length === 0) return [];
  const withoutError = (reason: string): TargetProblem => ({ reason, remedy: LOOK, error: null });
  const where = whereSearched(target, projects, failures);
  return [
    ...projects.flatMap(({ unreadable }) => unreadable).map(withoutError),
    ...failures.map((error) => ({ reason: error.message, remedy: error.remedy, error })),
    ...missing.map((wanted) => withoutError(`valve ${wanted} is ${where}`)),
  ];
}

/** Says where a missing valve was searched for, as the end of "valve … is …". */
function whereSearched(target: Target, projects: readonly Project[], failures: readonly KnownError[]): string {
  if (failures.length > 0) return 'in no project that could be read';
  const [project] = isWithoutProject(target) ? [] : projects;
  return project ? `not in project "${project.name}"` : 'in no project that the key can see';
}

function eachReasonOnce(problems: readonly TargetProblem[]): TargetProblem[] {
  return [...new Map(problems.map((problem) => [problem.reason, problem])).values()];
}

/** The part of the targets that `--valve` selects. */
export interface Narrowed {
  projects: readonly Project[];
  /** names of no valve of this account; another account may have them. null: all were found */
  missing: NoSuchValve | null;
  /** empty if all named valves were found */
  problems: readonly TargetProblem[];
}

/**
 * Keeps the named valves (uuid, serial or the customer's name); without names, all.
 *
 * @throws where none is found: the error of a project that could not be read, whole or in part, else NoSuchValve
 * @throws TargetError for a name that two valves have
 */
export function narrow(
  { projects, problems }: Pick<ResolvedTargets, 'projects' | 'problems'>,
  wanted: readonly string[],
): Narrowed {
  if (wanted.length === 0) return { projects, missing: null, problems };
  const { kept, missing } = pickValves(projects, wanted, isCalled);
  if (missing.length === 0) return { projects: kept, missing: null, problems: [] };
  const targeted = projects.flatMap(({ valves }) => valves);
  const names = targeted.flatMap(({ userId, shortSn, id }) => [userId, shortSn ?? id]).filter((name) => name !== null);
  const noSuchValve = new NoSuchValve(missing, names);
  // The missing valve may be in a project that could not be read, or in a part of its list: then do not blame the name.
  const unreadable = projects.flatMap((project) => project.unreadable);
  const unreadError =
    problems.find(({ error }) => error !== null)?.error ??
    (unreadable.length > 0 ? new TargetError(unreadable.join('; '), LOOK) : null);
  if (kept.length === 0) throw unreadError ?? noSuchValve;
  return { projects: kept, missing: unreadError ? null : noSuchValve, problems };
}
