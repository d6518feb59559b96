/** Which valves a command is about: `--valve` and `--project`. */
import { loadMeteredValves, type MeteredValve } from '../../database/consumption.ts';
import type { Database } from '../../database/connection.ts';
import { loadProjects, type StoredProject } from '../../database/projects.ts';
import { KnownError } from '../../domain/errors.ts';
import { escapeAndCut } from '../../domain/text.ts';
import { foldName, isCalled } from '../../domain/valve.ts';

/** With both, the named valves of the named projects. */
export interface Choice {
  valve?: string[];
  project?: string[];
}

export function isEverything({ valve = [], project = [] }: Choice): boolean {
  return valve.length === 0 && project.length === 0;
}

/** The chosen valves with readings. @throws KnownError exit 78 for a name of no valve or project */
export async function loadChosenValves(database: Database, choice: Choice): Promise<MeteredValve[]> {
  return chooseValves(database, await loadMeteredValves(database), choice);
}

/** Of all these valves, the chosen ones. @throws KnownError exit 78 for a name of no valve or project */
export async function chooseValves<V extends MeteredValve>(
  database: Database,
  all: readonly V[],
  { valve: names = [], project: wantedProjects = [] }: Choice,
): Promise<V[]> {
  const listedIds = wantedProjects.length === 0 ? null : valveIdsOf(await loadProjects(database), wantedProjects);
  const valves = all.filter(({ id }) => listedIds === null || listedIds.has(id));
  const missing = names.filter((name) => !valves.some((valve) => isCalled(valve, name)));
  if (missing.length > 0) {
    const quoted = wantedProjects.map((name) => `"${escapeAndCut(name)}"`).join(', ');
    const where = quoted === '' ? '' : ` in ${quoted}`;
    throw new KnownError('config', `no valve with readings${where} is called ${missing.join(', ')}`, {
      remedy: '--valve takes a uuid, full or short serial, or name; "tasmart valves" lists them',
    });
  }
  return names.length === 0 ? valves : valves.filter((valve) => names.some((name) => isCalled(valve, name)));
}

/** The ids of the valves that the named projects list, or listed last: see StoredProject. @throws KnownError exit 78 */
function valveIdsOf(projects: readonly StoredProject[], wanted: readonly string[]): Set<string> {
  return new Set(wanted.flatMap((name) => [...findProject(projects, name, UNKNOWN).valveIds]));
}

const UNKNOWN = {
  problem: 'is not a project that was polled',
  remedy: 'write one of the names or ids; "tasmart poll" adds those of config.json',
};

/** By id; else by name, which must be unique. @param unknown what to say if there is none @throws KnownError exit 78 */
export function findProject<P extends { id: string; name: string; account?: string }>(
  projects: readonly P[],
  wanted: string,
  unknown: { problem: string; remedy: string },
): P {
  const byId = projects.filter(({ id }) => foldName(id) === foldName(wanted));
  const matches = byId.length > 0 ? byId : projects.filter(({ name }) => foldName(name) === foldName(wanted));
  const [project, ...others] = matches;
  if (project && others.length === 0) return project;
  const ambiguous = { problem: `is the name of ${matches.length} projects`, remedy: 'name it by its id' };
  const { problem, remedy } = project ? ambiguous : unknown;
  const names = projectNames(project ? matches : projects);
  throw new KnownError('config', `--project ${escapeAndCut(wanted)} ${problem}${names && `: ${names}`}`, { remedy });
}

/** `"Name" (id), "Name" (id of account b)`. */
export function projectNames(projects: readonly { id: string; name: string; account?: string }[]): string {
  const ofAccount = (account = '') => (account === '' ? '' : ` of account ${escapeAndCut(account)}`);
  return projects.map(({ id, name, account }) => `"${escapeAndCut(name)}" (${id}${ofAccount(account)})`).join(', ');
}
