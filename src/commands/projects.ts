/** `tasmart projects`: lists the projects that the keys can see. */
import { printable } from '../domain/text.ts';
import { compareNames } from '../domain/valve.ts';
import { recordsText } from '../reporting/records.ts';
import { formatTable } from '../reporting/table.ts';
import { accountsStatus, forEachAccount, valuesOf } from './accounts.ts';
import type { CommandContext, OutputFormat } from './context.ts';
import { withHyCloud } from './hycloud.ts';
import { createLog } from './log.ts';
import { show, stdoutScreen, write } from './output.ts';
import { loadConfig } from './settings.ts';

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
  // Show the column only if config.json names accounts.
  const isNamed = config.accounts.some(({ name }) => name !== '');

  const fields = projects.map(({ id, name, valveCount, userCount, account }) => ({
    project_id: id,
    name,
    valves: valveCount,
    users: userCount,
    account,
  }));
  const screen = stdoutScreen();
  if (format !== 'table') await write(recordsText(format, FIELDS, fields));
  else {
    const table = formatTable(
      [
        ...(isNamed ? [{ heading: 'account' }] : []),
        { heading: 'project', minWidth: 20 },
        { heading: 'id' },
        { heading: 'valves', align: 'right', rank: 1 },
        { heading: 'users', align: 'right', rank: 2 },
      ],
      fields.map((row) => [
        ...(isNamed ? [printable(row.account)] : []),
        printable(row.name),
        printable(row.project_id),
        String(row.valves),
        String(row.users),
      ]),
      screen.width,
    );
    await show(table, screen);
  }
  return accountsStatus(results, () => 0);
}

const FIELDS = ['project_id', 'name', 'valves', 'users', 'account'] as const;
