#!/usr/bin/env -S node --
/**
 * The entry: checks the version of Node.js, then loads main.ts.
 *
 * Every Node.js since version 10 must be able to read the built file, as a CommonJS or as an ES module. So this file has
 * no static import that remains at run time, no `import.meta`, no top-level await and no syntax after ES2017.
 */
import type * as Main from './main.ts';
import { EXIT_STATUS } from './domain/errors.ts';

/** The oldest version that works. `git grep "20\.19"` finds the other places: engines, esbuild's target, cron.sh, README. */
const NEEDED_NODE = [20, 19] as const;

function isTooOld(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major < NEEDED_NODE[0] || (major === NEEDED_NODE[0] && minor < NEEDED_NODE[1]);
}

/** Imports main.ts as it is built. The constant keeps the bundler from resolving the path. */
async function start(): Promise<void> {
  const built = './main.js';
  const { main } = (await import(built)) as typeof Main;
  await main();
}

/** The first line of the message. It names a file that is missing, or that lacks an export, but not one with a syntax error. */
function reasonOf(error: unknown): string {
  const [line = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
  return line;
}

function endWith(status: number, line: string): void {
  process.stderr.write(`${line}\n`);
  process.exitCode = status;
}

/**
 * With NODE_DEBUG, Node.js prints what it sends and runs (http, tls, child_process, stream, fetch and others), and with it
 * the credentials. Unsetting the variable here is too late: Node.js has read it.
 */
const nodeDebug = (process.env['NODE_DEBUG'] ?? '').trim();

const nodeVersion = process.versions.node;
if (isTooOld(nodeVersion)) {
  const remedy = 'install one (nvm install 24), then run /path/to/node dist/cli.js, or set NODE for scripts/cron.sh';
  endWith(
    EXIT_STATUS.config,
    `tasmart: Node.js ${nodeVersion} is too old, ${NEEDED_NODE.join('.')} or newer is needed → ${remedy}`,
  );
} else if (nodeDebug !== '') {
  endWith(
    EXIT_STATUS.config,
    `tasmart: NODE_DEBUG=${nodeDebug} makes Node.js print the credentials → unset NODE_DEBUG`,
  );
} else {
  start().catch((error: unknown) => {
    const [, entry = ''] = process.argv;
    endWith(
      EXIT_STATUS.defect,
      `tasmart: ${entry} cannot load the program: ${reasonOf(error)} → run npm ci in its folder`,
    );
  });
}
