import { withAnyDatabase } from '../database/open.ts';
import { loadSchemaFiles, migrate } from '../database/migrations.ts';
import type { CommandContext } from './context.ts';
import { createLog } from './log.ts';
import { OPEN_OPTIONS, SQL_DIR } from './package.ts';
import { loadConfig } from './settings.ts';

/** `tasmart migrate`: creates or upgrades the schema, and says what it did. */
export async function run(_options: object, { globals, giveUp }: CommandContext): Promise<number> {
  const log = await createLog(globals);
  const config = await loadConfig(globals, ['database'], log);
  const files = await loadSchemaFiles(SQL_DIR);
  const say = (line: string) => process.stdout.write(`${line}\n`);
  const applied = await withAnyDatabase(config.database, { ...OPEN_OPTIONS, giveUp }, (database) =>
    migrate(database.client, files, say, ({ name }) => say(`applied ${name}`)),
  );
  say(
    applied.length === 0
      ? 'the schema is up to date: nothing to do'
      : `the schema is up to date: ${applied.length} files applied`,
  );
  return 0;
}
