import { distance } from 'fastest-levenshtein';
import { KnownError } from '../domain/errors.ts';
import type { Target } from '../domain/target.ts';
import { printable } from '../domain/text.ts';
import { isNamed, type Project, type ProjectSummary, type Valve } from '../domain/valve.ts';
import type { HyCloud } from '../hycloud/client.ts';
import { HyCloudError } from '../hycloud/errors.ts';
import { forEachAtOnce } from './batches.ts';

/** What earlier runs know: the project that a name meant when it was first polled. */
export type KnownProjects = ReadonlyMap<string, { id: string; /** the name it bore at the last run */ name: string }>;

export interface ResolvedTargets {
  /** with the targeted valves only; a valve of two projects is in the first */
  projects: readonly Project[];
  /** why a part of the targets could not be resolved, though the rest was */
  problems: readonly TargetProblem[];
  /** by the id of the project: the configured name that means it, in Unicode's NFC */
  named: ReadonlyMap<string, string>;
  /** projects whose name changed since the last run, is another's now too, or has passed to another; in words */
  renames: readonly string[];
}

export interface TargetProblem {
  reason: string;
  remedy: string | null;
  /** of a project that could not be read; null where HyCloud shows no such valve, or not as one */
  error: KnownError | null;
}

/** Exit 78: a project or valve that HyCloud does not show, or more than one that fits. */
export class TargetError extends KnownError {
  override readonly name = 'TargetError';

  constructor(message: string, remedy: string) {
    // Both quote names as HyCloud's users have given them.
    super('config', printable(message, 1000), { remedy: printable(remedy, 2000) });
  }
}

const LOOK = 'run "tasmart valves" to see what the key can see';

const MAX_CANDIDATES = 20;

/** A project's list may take 24 MB as a text, and several times that as objects. */
const PROJECTS_AT_ONCE = 4;

/**
 * Asks HyCloud which valves the targets mean: a request per project, and one for the list of projects where a name
 * that is not known yet, or a valve without a project, has to be looked up. A name that is known goes on meaning the
 * same project, whatever that is called now and whoever else bears the name. A project that cannot be read is a problem
 * of its own valves alone.
 *
 * @throws TargetError, HyCloudError where no target could be resolved, or refused credentials or a stop concern them all
 */
export async function resolveTargets(
  hycloud: HyCloud,
  targets: readonly Target[],
  { known = new Map(), maxConcurrency = 1 }: { known?: KnownProjects; maxConcurrency?: number } = {},
): Promise<ResolvedTargets> {
  const atOnce = Math.min(maxConcurrency, PROJECTS_AT_ONCE);
  const lookup = createLookup(hycloud, known, atOnce);
  const found: Project[] = [];
  const problems: TargetProblem[] = [];
  const unseen = (reason: string) => problems.push({ reason, remedy: LOOK, error: null });
  // First, not amid the others: it asks for as many at once by itself.
  if (targets.some(({ projectId, projectName }) => projectId === null && projectName === null)) await lookup.all();
  const resolved = await mapAtOnce(targets, atOnce, async (target) => ({ target, ...(await lookup.resolve(target)) }));
  const named = new Map<string, string>();
  for (const { target, projects, failures } of resolved) {
    const [wanted] = namesOf([target]);
    if (wanted !== undefined) for (const { id } of projects) named.set(id, wanted);
    for (const reason of projects.flatMap(({ unreadable }) => unreadable)) unseen(reason);
    const { kept, missing } = pickValves(projects, target.valves);
    found.push(...kept);
    // Where single valves are wanted and all are there, nobody needs the other projects.
    if (target.valves.length === 0 || missing.length > 0) problems.push(...failures.map(problemOf));
    for (const wanted of missing) unseen(`valve ${wanted} is ${nowhere(target, projects, failures)}`);
  }
  const projects = eachValveOnce(found);
  if (problems.length > 0 && projects.every(({ valves }) => valves.length === 0)) {
    for (const { error } of problems) if (error) throw error;
    throw new TargetError(problems.map(({ reason }) => reason).join('; '), LOOK);
  }
  return { projects, problems: eachReasonOnce(problems), named, renames: lookup.renames.sort() };
}

/** Where a valve was looked for in vain. */
function nowhere(target: Target, projects: readonly Project[], failures: readonly KnownError[]): string {
  if (failures.length > 0) return 'in no project that could be read';
  const [project] = target.projectId === null && target.projectName === null ? [] : projects;
  return project ? `not in project "${project.name}"` : 'in no project that the key can see';
}

function problemOf(error: KnownError): TargetProblem {
  return { reason: error.message, remedy: error.remedy, error };
}

function eachReasonOnce(problems: readonly TargetProblem[]): TargetProblem[] {
  return [...new Map(problems.map((problem) => [problem.reason, problem])).values()];
}

/**
 * Narrows to the valves named, by uuid or serial.
 *
 * @throws TargetError for a name that fits none, or two; what kept a project from being read, where it may be there
 */
export function narrow(
  { projects, problems }: Pick<ResolvedTargets, 'projects' | 'problems'>,
  wanted: readonly string[],
): readonly Project[] {
  const { kept, missing } = pickValves(projects, wanted);
  if (missing.length === 0) return kept;
  for (const { error } of problems) if (error) throw error;
  const known = projects.flatMap(({ valves }) => valves.map(({ shortSn, id }) => shortSn ?? id));
  throw new TargetError(
    `no targeted valve is called ${missing.join(', ')}`,
    `--valve takes a uuid, full or short serial; nearest: ${nearest(missing[0] ?? '', known).join(', ')}`,
  );
}

function createLookup(hycloud: HyCloud, known: KnownProjects, atOnce: number) {
  const seen = new Map<string, Promise<Project>>();
  const renames: string[] = [];
  let summaries: ReturnType<HyCloud['listProjects']> | null = null;
  let everything: Promise<Resolution> | null = null;

  const byId = (id: string): Promise<Project> => {
    const project = seen.get(id) ?? hycloud.getProject(id).catch((error: unknown) => explainMissing(id, error));
    seen.set(id, project);
    return project;
  };
  const list = () => (summaries ??= hycloud.listProjects());
  /** For what is said besides: that it cannot be read costs no more than that. */
  const visible = () => list().catch(() => []);
  const all = () => (everything ??= list().then(allOf, failed));

  async function allOf(visible: readonly ProjectSummary[]): Promise<Resolution> {
    const resolutions = await mapAtOnce(visible, atOnce, ({ id }) => resolution(byId(id)));
    return {
      projects: resolutions.flatMap(({ projects }) => projects),
      failures: resolutions.flatMap(({ failures }) => failures),
    };
  }

  async function explainMissing(id: string, error: unknown): Promise<never> {
    if (!(error instanceof HyCloudError) || !['not-found', 'forbidden'].includes(error.failure)) throw error;
    const lastName = [...known.values()].find((project) => project.id === id)?.name;
    const called = lastName === undefined ? '' : `, last called "${lastName}",`;
    const others = (await visible()).slice(0, MAX_CANDIDATES).map((other) => `"${other.name}" (${other.id})`);
    throw new TargetError(
      `project ${id}${called} is not there, or the key may not see it (HTTP ${error.status ?? 0})`,
      others.length > 0
        ? `the key can see: ${others.join(', ')}`
        : 'run "tasmart projects" to see what the key can see',
    );
  }

  async function byKnownName(configured: string, last: { id: string; name: string }): Promise<Project> {
    const project = await byId(last.id).catch((error: unknown) => successor(configured, last.id, error));
    if (project.id !== last.id || (project.name === last.name && isSameName(project.name, configured))) return project;
    const others = (await visible()).filter(({ id, name }) => id !== project.id && isSameName(name, configured));
    if (project.name === last.name && others.length === 0) return project;
    const elsewhere = others.map(
      ({ id }) => `; another project, ${id}, now bears the name "${configured}", and is not polled`,
    );
    const called = project.name === last.name ? configured : last.name;
    renames.push(
      `project ${project.id} was called "${called}" and is now called "${project.name}"${elsewhere.join('')}`,
    );
    return project;
  }

  /** Of a project that is gone: the one that bears its name now, if there is just one. */
  async function successor(configured: string, goneId: string, error: unknown): Promise<Project> {
    if (!(error instanceof TargetError)) throw error;
    const [heir, ...rivals] = (await visible()).filter(({ name }) => isSameName(name, configured));
    if (!heir || rivals.length > 0) throw error;
    const project = await byId(heir.id);
    renames.push(
      `project ${goneId}, which "${configured}" meant, is not there any more; ${heir.id}, which bears the name now, is polled in its place`,
    );
    return project;
  }

  async function byName(name: string): Promise<Project> {
    const last = known.get(name.normalize('NFC'));
    if (last) return byKnownName(name, last);
    const projects = await list();
    const same = projects.filter((project) => isSameName(project.name, name));
    if (same.length > 1) {
      const ids = same.map(({ id, valveCount }) => `${id} (${valveCount} valves)`).join(', ');
      throw new TargetError(
        `${same.length} projects are called "${name}": ${ids}`,
        'set target_project_id to the one meant',
      );
    }
    const id = same[0]?.id;
    if (id !== undefined) return byId(id);
    const names = nearest(
      name,
      projects.map((project) => project.name),
    ).map((text) => `"${text}"`);
    throw new TargetError(
      `no project is called "${name}"`,
      names.length > 0 ? `the key can see, nearest first: ${names.join(', ')}` : 'the key can see no project at all',
    );
  }

  return {
    renames,
    all,
    resolve({ projectId, projectName }: Target): Promise<Resolution> {
      if (projectId !== null) return resolution(byId(projectId));
      return projectName === null ? all() : resolution(byName(projectName));
    },
  };
}

/** What could be read of a target's projects, and why the others could not. */
interface Resolution {
  projects: readonly Project[];
  failures: readonly KnownError[];
}

function resolution(project: Promise<Project>): Promise<Resolution> {
  return project.then((found) => ({ projects: [found], failures: [] }), failed);
}

/** @throws HyCloudError that would be the same for every project */
function failed(error: unknown): Resolution {
  const concernsAll = error instanceof HyCloudError && ['unauthorized', 'aborted'].includes(error.failure);
  if (!(error instanceof KnownError) || concernsAll) throw error;
  return { projects: [], failures: [error] };
}

/** The result of the work on every item, in the order of the items. @throws the first failure */
async function mapAtOnce<T, R>(items: readonly T[], atOnce: number, work: (item: T) => Promise<R>): Promise<R[]> {
  const results = new Map<number, R>();
  await forEachAtOnce(items.entries(), atOnce, async ([index, item]) => results.set(index, await work(item)));
  return [...results].sort(([a], [b]) => a - b).map(([, result]) => result);
}

/** The same letters, however the accents are encoded. */
function isSameName(a: string, b: string): boolean {
  return a.normalize('NFC') === b.normalize('NFC');
}

/** Those that are wanted; all where none is named. @throws TargetError for a serial that two valves bear */
function pickValves(
  projects: readonly Project[],
  wanted: readonly string[],
): { kept: readonly Project[]; missing: readonly string[] } {
  if (wanted.length === 0) return { kept: projects, missing: [] };
  const all = new Map<string, Valve>(projects.flatMap(({ valves }) => valves.map((valve) => [valve.id, valve])));
  const ids = new Set<string>();
  const missing: string[] = [];
  for (const name of wanted) {
    const fitting = [...all.values()].filter((valve) => isNamed(valve, name));
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

/** In the first place that lists it, also where one list has it twice. */
function eachValveOnce(projects: readonly Project[]): Project[] {
  const seen = new Set<string>();
  const isNew = ({ id }: Valve): boolean => seen.size < seen.add(id).size;
  return projects.map((project) => ({ ...project, valves: project.valves.filter(isNew) }));
}

function nearest(wanted: string, known: readonly string[]): string[] {
  return [...new Set(known)].sort((a, b) => distance(wanted, a) - distance(wanted, b)).slice(0, MAX_CANDIDATES);
}

/** The project names that have to be looked up. */
export function namesOf(targets: readonly Target[]): string[] {
  return targets.flatMap(({ projectId, projectName }) =>
    projectId === null && projectName !== null ? [projectName.normalize('NFC')] : [],
  );
}
