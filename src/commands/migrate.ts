/** `tasmart migrate`: creates or upgrades the schema. */
import { printableGrants, type Grants } from '../database/inspect.ts';
import { withAnyDatabase, withDatabase } from '../database/open.ts';
import { migrate } from '../database/migrations.ts';
import { loadSchemaFiles } from '../database/schema-files.ts';
import { EXIT_STATUS } from '../domain/errors.ts';
import { count } from '../domain/text.ts';
import type { CommandContext } from './shared/context.ts';
import { judgeStored } from './shared/judging.ts';
import { createLog } from './shared/log.ts';
import { OPEN_OPTIONS, SQL_DIR } from './shared/package.ts';
import { loadConfig } from './shared/settings.ts';

export interface MigrateOptions {
  printGrants?: boolean;
}

/** Migrates, then judges all unjudged readings; or with --print-grants prints SQL. Exit 2 if a valve could not be judged. */
export async function run(
  { printGrants }: MigrateOptions,
  { globals, signal, giveUp }: CommandContext,
): Promise<number> {
  const log = await createLog(globals);
  const config = await loadConfig(globals, ['database'], log);
  if (printGrants) {
    const options = { ...OPEN_OPTIONS, giveUp };
    const grants = await withDatabase(config.database, options, (database) => printableGrants(database, ROLES));
    process.stdout.write(grantsText(grants));
    return 0;
  }
  const files = await loadSchemaFiles(SQL_DIR);
  const say = (line: string) => process.stdout.write(`${line}\n`);
  const failures = await withAnyDatabase(config.database, { ...OPEN_OPTIONS, giveUp }, async (database) => {
    const applied = await migrate(database.client, files, say, ({ name }) => say(`applied ${name}`));
    const change = applied.length === 0 ? 'nothing to do' : `${count(applied.length, 'file')} applied`;
    say(`the schema is up to date: ${change}`);
    return judgeStored(database, config, log, { globals, signal });
  });
  return failures.length > 0 ? EXIT_STATUS.partial : 0;
}

const ROLES = { polling: 'tasmart_poller', reading: 'tasmart_reader' };

/** A script for psql. Both roles must exist. */
function grantsText({ polling, reading }: Grants): string {
  return `-- For the owner of the tables, again after every upgrade: a new table needs its grants.
-- Once, with passwords of your own:
--   create role ${ROLES.polling} login password '…';
--   create role ${ROLES.reading} login password '…';

-- ${ROLES.polling}: every command but migrate. It can neither change nor delete a reading.
${polling.join('\n')}

-- ${ROLES.reading}: for dashboards, such as Grafana. It reads.
${reading.join('\n')}
`;
}
