/** Finds the projects that a target means: by id, by name, or by the valves they list. */
import { KnownError } from '../domain/errors.ts';
import type { Meaning, Target } from '../domain/target.ts';
import { count } from '../domain/text.ts';
import type { Project } from '../domain/valve.ts';
import type { HyCloud } from '../hycloud/client.ts';
import { HyCloudError } from '../hycloud/errors.ts';
import { forEachAtOnce } from './batches.ts';
import type { Memory } from './memory.ts';
import { pickValves } from './pick-valves.ts';
import { MAX_CANDIDATES, nearestNames, TargetError } from './target-errors.ts';

/** A target's projects that could be read, and why the others could not. */
export interface Resolution {
  projects: readonly Project[];
  failures: readonly KnownError[];
}

/** Asks for each project at most once, and for the list of projects at most once. */
export function createLookup(hycloud: HyCloud, memory: Memory, atOnce: number) {
  const projectsById = new Map<string, Promise<Project>>();
  const resolutions = new Map<Target, Promise<Resolution>>();
  const warnings: string[] = [];
  let summaries: ReturnType<HyCloud['listProjects']> | null = null;
  let allProjects: Promise<Resolution> | null = null;

  function getProject(id: string): Promise<Project> {
    const project = projectsById.get(id) ?? readProject(id);
    projectsById.set(id, project);
    return project;
  }
  const listProjects = () => (summaries ??= hycloud.listProjects());
  /** The list, for hints, warnings and counts. Empty if it cannot be read. */
  const listForHints = () => listProjects().catch(() => []);
  /** Whether the key sees the project. True if the list cannot be read. */
  const maySee = (projectId: string) =>
    listProjects().then(
      (listed) => listed.some(({ id }) => id === projectId),
      () => true,
    );
  const readAll = () =>
    (allProjects ??= listProjects().then((listed) => readEach(listed.map(({ id }) => id)), failedResolution));

  /** A list that is shorter than it should be is reported in `unreadable`. */
  async function readProject(id: string): Promise<Project> {
    const project = await hycloud.getProject(id).catch((error: unknown) => explainMissing(id, error));
    // Ask for the list after the project: a failing HyCloud then gets one request, not two.
    const expected = (await listForHints()).find((listed) => listed.id === id)?.valveCount ?? 0;
    const { name, valves, unreadable } = project;
    if (unreadable.length > 0 || valves.length >= expected) return project;
    const missing = `project "${name}" lists ${valves.length} of its ${count(expected, 'valve')}`;
    return { ...project, unreadable: [missing] };
  }

  async function readEach(ids: readonly string[]): Promise<Resolution> {
    const found = await mapAtOnce(ids, atOnce, (id) => toResolution(getProject(id)));
    return {
      projects: found.flatMap(({ projects }) => projects),
      failures: found.flatMap(({ failures }) => failures),
    };
  }

  /** Always throws: TargetError with what the key can see, if the key cannot see the project; else `error`. */
  async function explainMissing(id: string, error: unknown): Promise<never> {
    if (!(error instanceof HyCloudError) || !['not-found', 'forbidden'].includes(error.failure)) throw error;
    const meaning = [...memory.meanings.values()].flat().find(({ projectId }) => projectId === id);
    const called = meaning === undefined ? '' : `, last called "${meaning.name}",`;
    const candidates = (await listForHints())
      .slice(0, MAX_CANDIDATES)
      .map((listed) => `"${listed.name}" (${listed.id})`);
    throw new TargetError(
      `project ${id}${called} is not there, or the key may not see it (HTTP ${String(error.status)})`,
      candidates.length > 0
        ? `the key can see: ${candidates.join(', ')}`
        : 'run "tasmart projects" to see what the key can see',
    );
  }

  /** The project that the configured name meant in earlier runs. Warns if it was renamed, or if another has the name. */
  async function getByMeaning(configured: string, meaning: Meaning): Promise<Project> {
    const { projectId, name: lastName } = meaning;
    const project = await getProject(projectId).catch((error: unknown) => getSuccessor(configured, projectId, error));
    const isSuccessor = project.id !== projectId;
    if (isSuccessor) return project;
    const other = (await listForHints()).find(({ id, name }) => id !== projectId && isSameName(name, configured));
    const isRenamed = project.name !== lastName;
    const hasLostName = other !== undefined && !isSameName(project.name, configured);
    if (isRenamed || hasLostName) {
      const formerName = isRenamed ? lastName : configured;
      const nameTaken = other
        ? `; another project, ${other.id}, now has the name "${configured}", and is not polled`
        : '';
      warnings.push(`project ${projectId} was called "${formerName}" and is now called "${project.name}"${nameTaken}`);
    } else if (other) {
      warnings.push(
        `another project, ${other.id}, is called "${configured}" too, and is not polled; to choose, set target_project_id`,
      );
    }
    return project;
  }

  /** For a deleted project: the only project that has the configured name now. @throws `error` if there is no such project */
  async function getSuccessor(configured: string, goneId: string, error: unknown): Promise<Project> {
    if (!(error instanceof TargetError)) throw error;
    // If the list cannot be read, this throws that error instead: the next run may find the project.
    const [successor, ...others] = (await listProjects()).filter((project) => isSameName(project.name, configured));
    if (!successor || others.length > 0) throw error;
    const project = await getProject(successor.id);
    warnings.push(
      `project ${goneId}, which "${configured}" meant, is not there any more; ${successor.id}, which has that name now, is polled in its place`,
    );
    return project;
  }

  /** @throws TargetError if no project has the name, or several have it and no earlier run has chosen one */
  async function getByName(name: string): Promise<Project> {
    const meanings = memory.meanings.get(name.normalize('NFC')) ?? [];
    // A meaning of another key or account is true only if this key sees the project: see Meaning.
    for (const meaning of meanings) {
      if (meaning.from === 'own' || (await maySee(meaning.projectId))) return getByMeaning(name, meaning);
    }
    const projects = await listProjects();
    const same = projects.filter((listed) => isSameName(listed.name, name));
    if (same.length > 1) {
      const ids = same.map(({ id, valveCount }) => `${id} (${valveCount} valves)`).join(', ');
      throw new TargetError(
        `${same.length} projects are called "${name}": ${ids}`,
        'set target_project_id to the one meant',
      );
    }
    const [project] = same;
    if (project) return getProject(project.id);
    const listedNames = projects.map((listed) => listed.name);
    const names = nearestNames(name, listedNames).map((text) => `"${text}"`);
    throw new TargetError(
      `no project is called "${name}"`,
      names.length > 0 ? `the key can see, nearest first: ${names.join(', ')}` : 'the key can see no project at all',
    );
  }

  /** Reads the projects that listed the valves last. If a valve is missing there, or none is named, reads all projects. */
  async function readByValves(wanted: readonly string[]): Promise<Resolution> {
    const listedIn = new Set(wanted.flatMap((valve) => memory.listedIn.get(valve.toLowerCase()) ?? []));
    const rememberedIds: string[] = [];
    for (const projectId of listedIn) if (await maySee(projectId)) rememberedIds.push(projectId);
    const remembered = await readEach(rememberedIds);
    const areAllThere = wanted.length > 0 && pickValves(remembered.projects, wanted).missing.length === 0;
    // A missing valve may be in a project that could not be read: then reading all projects helps nothing. A TargetError
    // says that the project is gone.
    const isUnread = remembered.failures.some((error) => !(error instanceof TargetError));
    return areAllThere || isUnread ? remembered : readAll();
  }

  function findProjects({ projectId, projectName, valves }: Target): Promise<Resolution> {
    if (projectId !== null) return toResolution(getProject(projectId));
    return projectName === null ? readByValves(valves) : toResolution(getByName(projectName));
  }

  return {
    warnings,
    resolve(target: Target): Promise<Resolution> {
      const resolved = resolutions.get(target) ?? findProjects(target);
      resolutions.set(target, resolved);
      return resolved;
    },
  };
}

/** @throws as failedResolution */
function toResolution(project: Promise<Project>): Promise<Resolution> {
  return project.then((found) => ({ projects: [found], failures: [] }), failedResolution);
}

/** @throws a HyCloudError that would be the same for every project, and a defect */
function failedResolution(error: unknown): Resolution {
  const concernsAll = error instanceof HyCloudError && ['unauthorized', 'aborted'].includes(error.failure);
  if (!(error instanceof KnownError) || concernsAll) throw error;
  return { projects: [], failures: [error] };
}

/** Does the work on `atOnce` items at a time. Returns the results in the order of the items. @throws the first failure */
export async function mapAtOnce<T, R>(
  items: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results = new Array<R>(items.length);
  await forEachAtOnce(items.entries(), atOnce, async ([index, item]) => (results[index] = await work(item)));
  return results;
}

/** The same letters, however the accents are encoded. */
function isSameName(a: string, b: string): boolean {
  return a.normalize('NFC') === b.normalize('NFC');
}
