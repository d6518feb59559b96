import { printable } from '../domain/text.ts';
import { formatCsv } from '../reporting/csv.ts';
import { formatJson } from '../reporting/json.ts';
import { formatTable } from '../reporting/table.ts';
import type { CommandContext, OutputFormat } from './context.ts';
import { withHyCloud } from './hycloud.ts';
import { createLog } from './log.ts';
import { show, stdoutScreen, write } from './output.ts';
import { loadConfig } from './settings.ts';

/** `tasmart projects`: what the key can see. */
export async function run({ format }: { format: OutputFormat }, { globals, signal }: CommandContext): Promise<number> {
  const log = await createLog(globals);
  const config = await loadConfig(globals, ['hycloud'], log);
  const deadlineMs = performance.now() + config.runDeadlineSeconds * 1000;
  const limits = { signal, deadlineMs: () => deadlineMs };
  const projects = await withHyCloud(config, limits, log, (hycloud) => hycloud.listProjects());
  projects.sort((a, b) => a.name.localeCompare(b.name));

  const fields = projects.map(({ id, name, valveCount, userCount }) => ({
    project_id: id,
    name,
    valves: valveCount,
    users: userCount,
  }));
  const screen = stdoutScreen();
  const formats = {
    json: () => formatJson(fields),
    csv: () =>
      formatCsv(
        ['project_id', 'name', 'valves', 'users'],
        fields.map((row) => Object.values(row)),
      ),
    table: () =>
      formatTable(
        [
          { heading: 'project', least: 20 },
          { heading: 'id' },
          { heading: 'valves', align: 'right', rank: 1 },
          { heading: 'users', align: 'right', rank: 2 },
        ],
        fields.map((row) => [printable(row.name), printable(row.project_id), String(row.valves), String(row.users)]),
        screen.width,
      ),
  };
  await (format === 'table' ? show(formats.table(), screen) : write(formats[format]()));
  return 0;
}
