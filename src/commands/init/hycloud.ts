/** The part of `tasmart init` about HyCloud: its credentials, and the projects that they can see. */
import type { Logger } from 'pino';
import type { Problem } from '../../config/config.ts';
import { parseHyCloud, readVariable, type Environment } from '../../config/environment.ts';
import { parseConfig } from '../../config/parse.ts';
import { KnownError } from '../../domain/errors.ts';
import { count, escapeAndCut } from '../../domain/text.ts';
import { compareNames, type ProjectSummary } from '../../domain/valve.ts';
import type { HyCloud } from '../../hycloud/client.ts';
import { findProject, projectNames } from '../shared/choice.ts';
import { withHyCloud } from '../shared/hycloud.ts';
import { askUntilAccepted, type Session } from './session.ts';

const CREDENTIAL_TIMEOUT_MS = 15_000;

/** Asks for both credentials and tests each by itself: HyCloud's firmware endpoint needs the requester id only. */
export async function acceptCredentials(
  session: Session,
): Promise<{ variables: Environment; projects: ProjectSummary[] }> {
  const { env, prompt } = session;
  const requesterId = await askUntilAccepted(session, {
    given: readVariable(env, 'REQUESTER_ID'),
    ask: () => prompt?.ask('Requester id (IMI gave it to your company): '),
    test: async (text) => {
      const credentials = { ...env, REQUESTER_ID: text, API_KEY: 'none' };
      await tryCredential('requester id', credentials, session, (hycloud) => hycloud.latestFirmware());
      return 'HyCloud accepts the requester id';
    },
  });
  let projects: ProjectSummary[] = [];
  const apiKey = await askUntilAccepted(session, {
    given: readVariable(env, 'API_KEY'),
    ask: () => prompt?.askSecret('API key (of a user of the web app; it is not shown): '),
    test: async (text) => {
      const credentials = { ...env, REQUESTER_ID: requesterId, API_KEY: text };
      projects = await tryCredential('key', credentials, session, (hycloud) => hycloud.listProjects());
      return `HyCloud accepts the key, which sees ${count(projects.length, 'project')}`;
    },
  });
  return { variables: { REQUESTER_ID: requesterId, API_KEY: apiKey }, projects };
}

/** @param credential the one that is tested: HyCloud's answer does not say which one it refuses */
async function tryCredential<T>(
  credential: string,
  env: Environment,
  { log, signal }: { log: Logger; signal: AbortSignal },
  use: (hycloud: HyCloud) => Promise<T>,
): Promise<T> {
  const problems: Problem[] = [];
  const hycloud = parseHyCloud('', env, problems);
  const [problem] = problems;
  if (problem) throw new KnownError('config', `${problem.key} ${problem.message}`);
  const endMs = performance.now() + CREDENTIAL_TIMEOUT_MS;
  const { config: defaults } = parseConfig({}, {});
  return withHyCloud(hycloud, defaults, { signal, deadlineMs: () => endMs }, log, use).catch((cause: unknown) => {
    if (!(cause instanceof KnownError) || cause.kind !== 'credentials') throw cause;
    const remedy = 'staging and production of HyCloud share neither users nor keys';
    throw new KnownError('credentials', `HyCloud refuses this ${credential}`, { remedy, cause });
  });
}

const UNKNOWN = { problem: 'is not a project that the key sees', remedy: 'write one of these names or ids' };

/** The projects that options name, or that the user chooses from a list. A single project needs no choice. */
export async function chooseProjects(
  { prompt, say }: Session,
  projects: readonly ProjectSummary[],
  named: readonly string[],
): Promise<readonly ProjectSummary[]> {
  const listed = [...projects].sort((a, b) => compareNames(a.name, b.name));
  if (named.length > 0) return named.map((name) => findProject(listed, name, UNKNOWN));
  const [only, ...others] = listed;
  if (!only) {
    throw new KnownError('config', 'the key sees no project', {
      remedy: "have the key's user invited to a project in HyCloud's web app",
    });
  }
  if (others.length === 0) {
    say(`✓ its project is ${projectText(only)}`);
    return [only];
  }
  if (prompt === null) {
    throw new KnownError('config', `the key sees ${listed.length} projects: ${projectNames(listed)}`, {
      remedy: 'name one with --project <name or id> (may be repeated)',
    });
  }
  say(listed.map((project, index) => `  ${index + 1}  ${projectText(project)}`).join('\n'));
  for (;;) {
    const numbers = (await prompt.ask('Which of them? A number, or several such as 1,3: '))
      .match(/[^\s,]+/g)
      ?.map(Number);
    const distinct = [...new Set(numbers)];
    const chosen = distinct.flatMap((number) => listed[number - 1] ?? []);
    if (chosen.length > 0 && chosen.length === distinct.length) return chosen;
    say(`✗ write numbers from 1 to ${listed.length}`);
  }
}

function projectText({ name, valveCount }: ProjectSummary): string {
  return `${escapeAndCut(name)} (${count(valveCount, 'valve')})`;
}
