/** Resolves the configured targets to HyCloud's projects and valves. */
import { distance } from 'fastest-levenshtein';
import { KnownError } from '../domain/errors.ts';
import { namesOf, type Meaning, type Target } from '../domain/target.ts';
import { count, printable } from '../domain/text.ts';
import { isCalled, isNamed, type Project, type Valve } from '../domain/valve.ts';
import type { HyCloud } from '../hycloud/client.ts';
import { HyCloudError } from '../hycloud/errors.ts';
import { forEachAtOnce } from './batches.ts';

/** What earlier runs of this account recorded. */
export interface Memory {
  /** by configured project name, in Unicode's NFC: the projects it meant, the likeliest first */
  meanings: ReadonlyMap<string, readonly Meaning[]>;
  /** by uuid or serial in lower case: ids of the projects that list the valve */
  listedIn: ReadonlyMap<string, readonly string[]>;
}

export const NO_MEMORY: Memory = { meanings: new Map(), listedIn: new Map() };

export interface ResolvedTargets {
  /** with the targeted valves only; a valve that two projects list is in the first of them */
  projects: readonly Project[];
  /** the same projects, each once, with all of their valves */
  listings: readonly Project[];
  /** why some of the targets could not be resolved; the others were */
  problems: readonly TargetProblem[];
  /** by target (a project's name in Unicode's NFC, or its id): the id of the project */
  meanings: ReadonlyMap<string, string>;
  /** messages about projects that were renamed, share a name, or replace a deleted project */
  warnings: readonly string[];
}

export interface TargetProblem {
  reason: string;
  remedy: string | null;
  /** why the project could not be read; null: HyCloud lists no such valve, or a malformed one */
  error: KnownError | null;
}

/** Exit 78: HyCloud shows no such project or valve, or more than one. */
export class TargetError extends KnownError {
  override readonly name = 'TargetError';

  constructor(message: string, remedy: string) {
    // Both texts quote names that HyCloud's users typed, so control characters are spelled out.
    super('config', printable(message, 1000), { remedy: printable(remedy, 2000) });
  }
}

/** Exit 78: no targeted valve of an account has these names of `--valve`. */
export class NoSuchValve extends TargetError {
  readonly names: readonly string[];
  readonly known: readonly string[];

  /** @param known what the targeted valves are called */
  constructor(names: readonly string[], known: readonly string[]) {
    const near = known.length > 0 ? `nearest: ${nearest(names[0] ?? '', known).join(', ')}` : 'the targets hold none';
    super(
      `no targeted valve is called ${names.join(', ')}`,
      `--valve takes a uuid, full or short serial, or name; ${near}`,
    );
    this.names = names;
    this.known = known;
  }
}

const LOOK = 'run "tasmart valves" to see what the key can see';

const MAX_CANDIDATES = 20;

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
  const unseen = (reason: string) => problems.push({ reason, remedy: LOOK, error: null });
  for (const { target, projects, failures } of resolved) {
    const { kept, missing } = pickValves(projects, target.valves);
    found.push(...kept);
    const ids = new Set((isWithoutProject(target) ? kept : projects).map(({ id }) => id));
    for (const project of projects) if (ids.has(project.id)) listings.set(project.id, project);
    for (const meaning of meaningsOf(target)) for (const id of ids) meanings.set(meaning, id);
    // If single valves are wanted and all were found, problems of other valves do not matter.
    if (target.valves.length === 0 || missing.length > 0) {
      projects.flatMap(({ unreadable }) => unreadable).forEach(unseen);
      problems.push(...failures.map(problemOf));
    }
    for (const wanted of missing) unseen(`valve ${wanted} is ${whereSearched(target, projects, failures)}`);
  }
  const projects = eachValveOnce(found);
  if (problems.length > 0 && projects.every(({ valves }) => valves.length === 0)) {
    for (const { error } of problems) if (error) throw error;
    throw new TargetError(problems.map(({ reason }) => reason).join('; '), LOOK);
  }
  const [warnings, once] = [lookup.warnings.sort(), eachReasonOnce(problems)];
  return { projects, listings: [...listings.values()], problems: once, meanings, warnings };
}

function meaningsOf(target: Target): readonly string[] {
  return target.projectId === null ? namesOf([target]) : [target.projectId];
}

function isWithoutProject({ projectId, projectName }: Target): boolean {
  return projectId === null && projectName === null;
}

/** Says where a missing valve was searched for, as the end of "valve … is …". */
function whereSearched(target: Target, projects: readonly Project[], failures: readonly KnownError[]): string {
  if (failures.length > 0) return 'in no project that could be read';
  const [project] = isWithoutProject(target) ? [] : projects;
  return project ? `not in project "${project.name}"` : 'in no project that the key can see';
}

function problemOf(error: KnownError): TargetProblem {
  return { reason: error.message, remedy: error.remedy, error };
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
 * @throws where none is found: the error of a project that could not be read, else NoSuchValve
 * @throws TargetError for a name that two valves have
 */
export function narrow(
  { projects, problems }: Pick<ResolvedTargets, 'projects' | 'problems'>,
  wanted: readonly string[],
): Narrowed {
  if (wanted.length === 0) return { projects, missing: null, problems };
  const { kept, missing } = pickValves(projects, wanted, isCalled);
  if (missing.length === 0) return { projects: kept, missing: null, problems: [] };
  const known = projects.flatMap(({ valves }) => valves.map(({ shortSn, id }) => shortSn ?? id));
  // The missing valve may be in a project that could not be read: then do not blame the name.
  const unread = problems.find(({ error }) => error !== null)?.error ?? null;
  const error = new NoSuchValve(missing, known);
  if (kept.length === 0) throw unread ?? error;
  return { projects: kept, missing: unread ? null : error, problems };
}

function createLookup(hycloud: HyCloud, memory: Memory, atOnce: number) {
  const seen = new Map<string, Promise<Project>>();
  const resolutions = new Map<Target, Promise<Resolution>>();
  const warnings: string[] = [];
  let summaries: ReturnType<HyCloud['listProjects']> | null = null;
  let everything: Promise<Resolution> | null = null;

  const byId = (id: string): Promise<Project> => {
    const project = seen.get(id) ?? readProject(id);
    seen.set(id, project);
    return project;
  };
  const list = () => (summaries ??= hycloud.listProjects());
  /** For hints and warnings, which are omitted without the list. null: it cannot be read. */
  const visible = () => list().catch(() => null);
  const all = () => (everything ??= list().then((projects) => eachOf(projects.map(({ id }) => id)), failed));

  async function readProject(id: string): Promise<Project> {
    const project = await hycloud.getProject(id).catch((error: unknown) => explainMissing(id, error));
    // Ask for the list after the project: a failing HyCloud then gets one request, not two.
    const expected = (await visible())?.find((summary) => summary.id === id)?.valveCount ?? 0;
    const { name, valves, unreadable } = project;
    if (unreadable.length > 0 || valves.length >= expected) return project;
    const missing = `project "${name}" lists ${valves.length} of its ${count(expected, 'valve')}`;
    return { ...project, unreadable: [missing] };
  }

  async function eachOf(ids: readonly string[]): Promise<Resolution> {
    const found = await mapAtOnce(ids, atOnce, (id) => resolution(byId(id)));
    return {
      projects: found.flatMap(({ projects }) => projects),
      failures: found.flatMap(({ failures }) => failures),
    };
  }

  async function explainMissing(id: string, error: unknown): Promise<never> {
    if (!(error instanceof HyCloudError) || !['not-found', 'forbidden'].includes(error.failure)) throw error;
    const known = [...memory.meanings.values()].flat().find(({ projectId }) => projectId === id);
    const called = known === undefined ? '' : `, last called "${known.name}",`;
    const others = ((await visible()) ?? []).slice(0, MAX_CANDIDATES).map((other) => `"${other.name}" (${other.id})`);
    throw new TargetError(
      `project ${id}${called} is not there, or the key may not see it (HTTP ${String(error.status)})`,
      others.length > 0
        ? `the key can see: ${others.join(', ')}`
        : 'run "tasmart projects" to see what the key can see',
    );
  }

  async function byMeaning(configured: string, meaning: Meaning): Promise<Project> {
    const { projectId, name: lastName } = meaning;
    const project = await byId(projectId).catch((error: unknown) => successorOf(configured, projectId, error));
    if (project.id !== projectId) return project;
    const [other] = ((await visible()) ?? []).filter(
      ({ id, name }) => id !== projectId && isSameName(name, configured),
    );
    if (project.name !== lastName || (other && !isSameName(project.name, configured))) {
      const called = project.name === lastName ? configured : lastName;
      const elsewhere = other
        ? `; another project, ${other.id}, now has the name "${configured}", and is not polled`
        : '';
      warnings.push(`project ${projectId} was called "${called}" and is now called "${project.name}"${elsewhere}`);
    } else if (other) {
      warnings.push(
        `another project, ${other.id}, is called "${configured}" too, and is not polled; to choose, set target_project_id`,
      );
    }
    return project;
  }

  /** For a deleted project: the only project that has the configured name now. @throws `error` if there is no such project */
  async function successorOf(configured: string, goneId: string, error: unknown): Promise<Project> {
    if (!(error instanceof TargetError)) throw error;
    // If the list cannot be read, this throws that error instead: the next run may find the project.
    const [successor, ...others] = (await list()).filter((project) => isSameName(project.name, configured));
    if (!successor || others.length > 0) throw error;
    const project = await byId(successor.id);
    warnings.push(
      `project ${goneId}, which "${configured}" meant, is not there any more; ${successor.id}, which has the name now, is polled in its place`,
    );
    return project;
  }

  async function byName(name: string): Promise<Project> {
    const meanings = memory.meanings.get(name.normalize('NFC')) ?? [];
    const seenByKey = await visible();
    const meaning = meanings.find(
      ({ projectId, from }) => from === 'own' || (seenByKey?.some(({ id }) => id === projectId) ?? true),
    );
    if (meaning) return byMeaning(name, meaning);
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

  /** Reads the projects that listed the valves last. If a valve is missing there, reads all projects. */
  async function byValves(wanted: readonly string[]): Promise<Resolution> {
    const listedIn = new Set(wanted.flatMap((valve) => memory.listedIn.get(valve.toLowerCase()) ?? []));
    const seenByKey = await visible();
    const visibleIds = [...listedIn].filter((projectId) => seenByKey?.some(({ id }) => id === projectId) ?? true);
    const remembered = await eachOf(visibleIds);
    const areThere = wanted.length > 0 && pickValves(remembered.projects, wanted).missing.length === 0;
    const isUnread = remembered.failures.some((error) => !(error instanceof TargetError));
    return areThere || isUnread ? remembered : all();
  }

  function find({ projectId, projectName, valves }: Target): Promise<Resolution> {
    if (projectId !== null) return resolution(byId(projectId));
    return projectName === null ? byValves(valves) : resolution(byName(projectName));
  }

  return {
    warnings,
    resolve(target: Target): Promise<Resolution> {
      const resolved = resolutions.get(target) ?? find(target);
      resolutions.set(target, resolved);
      return resolved;
    },
  };
}

/** A target's projects that could be read, and why the others could not. */
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

/** Does the work on `atOnce` items at a time. Returns the results in the order of the items. @throws the first failure */
async function mapAtOnce<T, R>(items: readonly T[], atOnce: number, work: (item: T) => Promise<R>): Promise<R[]> {
  const results = new Map<number, R>();
  await forEachAtOnce(items.entries(), atOnce, async ([index, item]) => results.set(index, await work(item)));
  return [...results].sort(([a], [b]) => a - b).map(([, result]) => result);
}

/** The same letters, however the accents are encoded. */
function isSameName(a: string, b: string): boolean {
  return a.normalize('NFC') === b.normalize('NFC');
}

/** Keeps the wanted valves; without names, all. @throws TargetError for a name that two valves have */
function pickValves(
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
function eachValveOnce(projects: readonly Project[]): Project[] {
  const seen = new Set<string>();
  const isNew = ({ id }: Valve): boolean => {
    if (seen.has(id)) return false;
    seen.add(id);
    return true;
  };
  return projects.map((project) => ({ ...project, valves: project.valves.filter(isNew) }));
}

function nearest(wanted: string, known: readonly string[]): string[] {
  return [...new Set(known)].sort((a, b) => distance(wanted, a) - distance(wanted, b)).slice(0, MAX_CANDIDATES);
}
