/** Compares the files of sql/ with those that a database has. Pure. */
import { count } from '../domain/text.ts';

/** A numbered file of `sql/`: applied once. */
export interface Migration {
  number: number;
  /** the file's name, such as `0002_readings.sql` */
  name: string;
  sql: string;
  /** of the content with `\n` line endings, so that a checkout on Windows hashes alike; hexadecimal */
  sha256: string;
}

/** A file of `sql/definitions/`, functions or a view: applied again whenever it changes. */
export type Definition = Omit<Migration, 'number'>;

/** All of `sql/`, each list in the order in which it is applied. */
export interface SchemaFiles {
  migrations: readonly Migration[];
  definitions: readonly Definition[];
}

/** A row of `tasmart_migrations`. */
export type AppliedMigration = Omit<Migration, 'sql'>;

/** A row of `tasmart_definitions`. */
export type AppliedDefinition = Omit<Definition, 'sql'>;

/**
 * Migrations that no longer have a file: their functions and views are in `sql/definitions/` now. A database may have
 * applied them; what their files contained does not matter any more.
 */
const RETIRED: ReadonlySet<string> = new Set([
  '0005_readings_view.sql',
  '0010_consumption.sql',
  '0011_consumption_speed.sql',
  '0012_shape_of_large_powers.sql',
]);

/**
 * The difference between the program's files and a database. `migrate` applies `pending`, then `outdated`: definitions whose
 * content in the database is another, older or newer.
 */
export type SchemaState =
  | { state: 'current'; pending: readonly []; outdated: readonly [] }
  | { state: 'missing' | 'older'; pending: readonly Migration[]; outdated: readonly Definition[] }
  | { state: 'newer'; problem: string }
  | { state: 'altered'; problem: string };

/** A schema that the program does not work with. */
export type UnusableSchema = Exclude<SchemaState, { state: 'current' }>;

/** Compares the program's files with those a database has. Both lists of migrations are in ascending order. */
export function planMigrations(
  { migrations, definitions }: SchemaFiles,
  allApplied: readonly AppliedMigration[],
  appliedDefinitions: readonly AppliedDefinition[],
): SchemaState {
  const applied = allApplied.filter(({ name }) => !RETIRED.has(name));
  const fileByNumber = new Map(migrations.map((migration) => [migration.number, migration]));
  const newestFile = migrations.at(-1)?.number ?? 0;
  const newestApplied = applied.at(-1)?.number ?? 0;

  for (const { number, name, sha256 } of applied) {
    const migration = fileByNumber.get(number);
    if (migration && migration.sha256 !== sha256) {
      return alteredState(`${migration.name} has changed since it was applied to the database (then named ${name})`);
    }
    if (!migration && number < newestFile)
      return alteredState(`${name} was applied to the database, but the file is missing`);
  }

  const unknown = applied.filter(({ number }) => number > newestFile).map(({ name }) => name);
  if (unknown.length > 0) {
    return { state: 'newer', problem: `the database is newer than this program: it has ${unknown.join(', ')}` };
  }

  const appliedNumbers = new Set(applied.map(({ number }) => number));
  const pending = migrations.filter(({ number }) => !appliedNumbers.has(number));
  const skipped = pending.find(({ number }) => number < newestApplied);
  if (skipped) return alteredState(`${skipped.name} was never applied, though later migrations were`);

  const hashes = new Map(appliedDefinitions.map(({ name, sha256 }) => [name, sha256]));
  const outdated = definitions.filter(({ name, sha256 }) => hashes.get(name) !== sha256);
  if (pending.length + outdated.length === 0) return { state: 'current', pending: [], outdated: [] };
  return { state: applied.length === 0 ? 'missing' : 'older', pending, outdated };
}

/** Such as "2 migrations behind". New migrations usually come with new definitions, which are not counted then. */
export function describeSchema(schema: UnusableSchema): string {
  if ('problem' in schema) return schema.problem;
  const { pending, outdated } = schema;
  return `${pending.length > 0 ? count(pending.length, 'migration') : count(outdated.length, 'definition')} behind`;
}

function alteredState(problem: string): UnusableSchema {
  return { state: 'altered', problem };
}
