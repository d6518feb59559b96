/** `tasmart projects`: lists the projects that the keys can see. */
import type { Config } from '../config/config.ts';
import { escapeAndCut } from '../domain/text.ts';
import { compareNames, type ProjectSummary } from '../domain/valve.ts';
import { recordsText, type Columns } from '../reporting/records.ts';
import { formatTable } from '../reporting/table.ts';
import { accountsStatus, forEachAccount, hasNamedAccounts, valuesOf } from './shared/accounts.ts';
import type { CommandContext, OutputFormat } from './shared/context.ts';
import { withHyCloud } from './shared/hycloud.ts';
import { createLog } from './shared/log.ts';
import { show, stdoutScreen, write } from './shared/output.ts';
import { loadConfig } from './shared/settings.ts';

export async function run({ format }: { format: OutputFormat }, { globals, signal }: CommandContext): Promise<number> {
  const log = await createLog(globals);
  const config = await loadConfig(globals, ['hycloud'], log);
  const deadlineMs = performance.now() + config.runDeadlineSeconds * 1000;
  const limits = { signal, deadlineMs: () => deadlineMs };
  const results = await forEachAccount(config.accounts, signal, log, async (account, accountLog) => {
    const projects = await withHyCloud(account.hycloud, config, limits, accountLog, (hycloud) =>
      hycloud.listProjects(),
    );
    return projects.map((project) => ({ ...project, account: account.name }));
  });
  const projects = valuesOf(results).flat();
  projects.sort((a, b) => compareNames(a.name, b.name));
  if (format === 'table') {
    const screen = stdoutScreen();
    await show(projectsTable(projects, config, screen.width), screen);
  } else await write(recordsText(format, COLUMNS, projects));
  return accountsStatus(results, () => 0);
}

type ListedProject = ProjectSummary & { account: string };

const COLUMNS: Columns<ListedProject> = {
  project_id: ({ id }) => id,
  name: ({ name }) => name,
  valves: ({ valveCount }) => valveCount,
  users: ({ userCount }) => userCount,
  account: ({ account }) => account,
};

function projectsTable(projects: readonly ListedProject[], { accounts }: Config, screenWidth: number): string {
  const showsAccounts = hasNamedAccounts(accounts);
  return formatTable(
    [
      ...(showsAccounts ? [{ heading: 'account' }] : []),
      { heading: 'project', minWidth: 20 },
      { heading: 'id' },
      { heading: 'valves', align: 'right', rank: 1 },
      { heading: 'users', align: 'right', rank: 2 },
    ],
    projects.map(({ account, name, id, valveCount, userCount }) => [
      ...(showsAccounts ? [escapeAndCut(account)] : []),
      escapeAndCut(name),
      escapeAndCut(id),
      String(valveCount),
      String(userCount),
    ]),
    screenWidth,
  );
}
