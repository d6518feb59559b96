/** Which valves a command is about: `--valve` and `--project`. */
import { loadMeteredValves, type MeteredValve } from '../database/consumption.ts';
import type { Database } from '../database/connection.ts';
import { loadProjects, type StoredProject } from '../database/projects.ts';
import { KnownError } from '../domain/errors.ts';
import { printable } from '../domain/text.ts';
import { isCalled } from '../domain/valve.ts';

/** With both, the named valves of the named projects. */
export interface Choice {
  valve?: string[];
  project?: string[];
}

export function isEverything({ valve = [], project = [] }: Choice): boolean {
  return valve.length === 0 && project.length === 0;
}

/** The chosen valves with readings. @throws KnownError exit 78 for a name of no valve or project */
export async function meteredValves(database: Database, choice: Choice): Promise<MeteredValve[]> {
  return chosenValves(database, await loadMeteredValves(database), choice);
}

/** The chosen ones of these valves. @throws KnownError exit 78 for a name of no valve or project */
export async function chosenValves<V extends MeteredValve>(
  database: Database,
  all: readonly V[],
  { valve = [], project = [] }: Choice,
): Promise<V[]> {
  const ids = project.length === 0 ? null : idsOf(await loadProjects(database), project);
  const valves = all.filter(({ id }) => ids === null || ids.has(id));
  const missing = valve.filter((name) => !valves.some((each) => isCalled(each, name)));
  if (missing.length > 0) {
    const where = ids === null ? '' : ` in ${project.map((name) => `"${printable(name)}"`).join(', ')}`;
    throw new KnownError('config', `no valve with readings${where} is called ${missing.join(', ')}`, {
      remedy: '--valve takes a uuid, full or short serial, or name; "tasmart valves" lists them',
    });
  }
  return valve.length === 0 ? valves : valves.filter((each) => valve.some((name) => isCalled(each, name)));
}

/** The valves of the named projects. @throws KnownError exit 78 */
function idsOf(projects: readonly StoredProject[], wanted: readonly string[]): Set<string> {
  return new Set(wanted.flatMap((name) => [...findProject(projects, name).valveIds]));
}

function findProject(projects: readonly StoredProject[], wanted: string): StoredProject {
  const folded = (text: string) => text.normalize('NFC').toLowerCase();
  const byId = projects.filter(({ id }) => folded(id) === folded(wanted));
  const fitting = byId.length > 0 ? byId : projects.filter(({ name }) => folded(name) === folded(wanted));
  const [project, ...others] = fitting;
  if (project && others.length === 0) return project;
  const listed = project ? fitting : projects;
  const names = listed.map(({ id, name, account }) => {
    return `"${printable(name)}" (${id}${account === '' ? '' : ` of account ${printable(account)}`})`;
  });
  const what = project ? `is the name of ${fitting.length} projects` : 'is not a project that was polled';
  throw new KnownError(
    'config',
    `--project ${printable(wanted)} ${what}${names.length > 0 ? `: ${names.join(', ')}` : ''}`,
    {
      remedy: project ? 'name it by its id' : 'write one of the names or ids; "tasmart poll" adds those of config.json',
    },
  );
}
