/** The built program, workers and databases that the bench uses. */
import { cp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { buildCli, REPOSITORY } from '../../test/support/build.ts';
import { useTemporaryFolder } from '../../test/support/temporary-folder.ts';
import { createCertificate } from '../simulator/certificate.ts';
import { PROBE, runNode } from './child.ts';
import { startServer, type BenchDatabase } from './database.ts';

/** Everything that the rows share. All of it is in one folder, which is deleted at the end. */
export interface Stage {
  folder: string;
  /** a copy of the built program, so that another build does not change it meanwhile */
  cli: string;
  /** a bundled worker: tsx would slow it down */
  worker: (name: 'hycloud' | 'fetch' | 'insert') => string;
  tls: { key: string; cert: string };
  caFile: string;
  /** a database with the schema but no data; the first call starts the server */
  freshDatabase: () => Promise<BenchDatabase>;
  signal: AbortSignal;
  /** Adds a function to call at the end. The last one added is called first. */
  defer: (end: () => Promise<void>) => void;
}

/** Builds the program and calls `use`. Always deletes everything afterwards. */
export async function withStage<T>(signal: AbortSignal, use: (stage: Stage) => Promise<T>): Promise<T> {
  const deferred: (() => Promise<void>)[] = [];
  const { folder, remove } = await useTemporaryFolder('tasmart-bench-');
  deferred.push(remove);
  try {
    return await use(await prepare(folder, signal, (end) => deferred.push(end)));
  } finally {
    for (const end of deferred.reverse()) await end().catch((error: unknown) => console.error(error));
  }
}

async function prepare(folder: string, signal: AbortSignal, defer: Stage['defer']): Promise<Stage> {
  const program = join(folder, 'program');
  await buildCli();
  for (const name of ['dist', 'sql', 'package.json']) {
    await cp(join(REPOSITORY, name), join(program, name), { recursive: true });
  }
  await bundleWorkers(folder);
  const tls = await createCertificate();
  const caFile = join(folder, 'ca.pem');
  await writeFile(caFile, tls.cert);
  await writeFile(join(folder, 'probe.cjs'), PROBE);
  const cli = join(program, 'dist', 'cli.js');
  return {
    folder,
    cli,
    worker: (name) => join(folder, 'workers', `${name}.mjs`),
    tls,
    caFile,
    freshDatabase: createDatabaseSource(cli, signal, defer),
    signal,
    defer,
  };
}

/** Returns a function that makes a copy of a template with the schema. Its first call starts the server and makes the template. */
function createDatabaseSource(cli: string, signal: AbortSignal, defer: Stage['defer']): Stage['freshDatabase'] {
  const startWithTemplate = async () => {
    const server = await startServer();
    defer(server.stop);
    const template = await server.createDatabase();
    await runNode([cli, 'migrate'], signal, { env: { DATABASE_URL: template.url } });
    return { server, template };
  };
  let started: ReturnType<typeof startWithTemplate> | undefined;
  return async () => {
    const { server, template } = await (started ??= startWithTemplate());
    return server.createDatabase(template);
  };
}

async function bundleWorkers(folder: string): Promise<void> {
  const sources = fileURLToPath(new URL('workers', import.meta.url));
  await build({
    entryPoints: ['hycloud', 'fetch', 'insert'].map((name) => join(sources, `${name}.ts`)),
    outdir: join(folder, 'workers'),
    outExtension: { '.js': '.mjs' },
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    external: ['pg-native'],
    banner: {
      js: "import { createRequire as createRequireHere } from 'node:module'; const require = createRequireHere(import.meta.url);",
    },
    logLevel: 'warning',
  });
}
