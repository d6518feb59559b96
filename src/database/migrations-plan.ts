/** One file of `sql/`. */
export interface Migration {
  number: number;
  /** the file's name, such as `0002_readings.sql` */
  name: string;
  sql: string;
  /** of the content with `\n` line endings, so that a checkout on Windows hashes alike; hexadecimal */
  sha256: string;
}

/** A row of `tasmart_migrations`. */
export type AppliedMigration = Omit<Migration, 'sql'>;

/** How a database stands to the program; `pending` is what `migrate` would apply, in order. */
export type SchemaState =
  | { state: 'missing' | 'older' | 'current'; pending: readonly Migration[] }
  | { state: 'newer'; problem: string }
  | { state: 'altered'; problem: string };

/** Compares the program's migrations with those a database has, both in ascending order. */
export function planMigrations(migrations: readonly Migration[], applied: readonly AppliedMigration[]): SchemaState {
  const known = new Map(migrations.map((migration) => [migration.number, migration]));
  const newest = migrations.at(-1)?.number ?? 0;
  const reached = applied.at(-1)?.number ?? 0;

  for (const { number, name, sha256 } of applied) {
    const migration = known.get(number);
    if (migration && migration.sha256 !== sha256) {
      return altered(`${migration.name} has changed since it was applied to the database (then named ${name})`);
    }
    if (!migration && number < newest) return altered(`${name} was applied to the database, but the file is missing`);
  }

  const unknown = applied.filter(({ number }) => number > newest).map(({ name }) => name);
  if (unknown.length > 0) {
    return { state: 'newer', problem: `the database is newer than this program: it has ${unknown.join(', ')}` };
  }

  const present = new Set(applied.map(({ number }) => number));
  const pending = migrations.filter(({ number }) => !present.has(number));
  const skipped = pending.find(({ number }) => number < reached);
  if (skipped) return altered(`${skipped.name} was never applied, though later migrations were`);

  if (pending.length === 0) return { state: 'current', pending };
  return { state: applied.length === 0 ? 'missing' : 'older', pending };
}

function altered(problem: string): SchemaState {
  return { state: 'altered', problem };
}
