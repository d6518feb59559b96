/** Reads the files of sql/. */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KnownError } from '../domain/errors.ts';
import type { Definition, Migration, SchemaFiles } from './migrations-plan.ts';

const MIGRATION_NAME = /^(\d{4})_[a-z0-9_]+\.sql$/;

const INSTALL = 'install tasmart whole, as it was released';

/** Reads `sql/`: the numbered migrations, and the definitions in their folder. @throws KnownError exit 78 */
export async function loadSchemaFiles(sqlDir: string): Promise<SchemaFiles> {
  const [migrations, definitions] = await Promise.all([
    loadMigrations(sqlDir),
    loadFolder(join(sqlDir, 'definitions')),
  ]).catch((cause: unknown) => {
    if (cause instanceof KnownError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new KnownError('config', `${sqlDir} cannot be read: ${reason}`, { remedy: INSTALL, cause });
  });
  if (definitions.length === 0) throw new KnownError('config', `${sqlDir} has no definitions`, { remedy: INSTALL });
  return { migrations, definitions: definitions.map((file) => ({ ...file, name: `definitions/${file.name}` })) };
}

/** Reads the numbered `.sql` files of a folder, in order. @throws KnownError exit 78 */
export async function loadMigrations(sqlDir: string): Promise<Migration[]> {
  const migrations = (await loadFolder(sqlDir)).map((file) => {
    const number = MIGRATION_NAME.exec(file.name)?.[1];
    if (number !== undefined) return { number: Number(number), ...file };
    throw new KnownError('config', `${join(sqlDir, file.name)}: a migration is named like 0001_lower_case.sql`);
  });
  const repeated = migrations.find(({ number }, index) => migrations[index - 1]?.number === number);
  if (repeated) throw new KnownError('config', `${repeated.name}: another migration has the same number`);
  return migrations;
}

async function loadFolder(folder: string): Promise<Definition[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.sql')).sort();
  return Promise.all(
    names.map(async (name) => {
      const sql = (await readFile(join(folder, name), 'utf8')).replaceAll('\r\n', '\n');
      return { name, sql, sha256: createHash('sha256').update(sql).digest('hex') };
    }),
  );
}
