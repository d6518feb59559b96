/** Where the installed package's files are, its version, and how it names itself to the database. */
import { existsSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of the installed package. */
export const ROOT = findRoot(dirname(fileURLToPath(import.meta.url)));

export const SQL_DIR = join(ROOT, 'sql');

/** The report's script and style sheet for the browser. */
export const REPORT_DIR = join(ROOT, 'dist', 'report');

export const VERSION = (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }).version;

/** What tasmart_runs records about the process of a run. */
export const RUN_PROCESS = { host: hostname(), processId: process.pid, version: VERSION };

/** Options for every database session. */
export const OPEN_OPTIONS = { applicationName: `tasmart ${VERSION}`, sqlDir: SQL_DIR };

/** The nearest parent folder that holds sql/. Do not look for package.json: the bundle in dist/ has its own. */
function findRoot(folder: string): string {
  const parent = dirname(folder);
  return existsSync(join(folder, 'sql')) || parent === folder ? folder : findRoot(parent);
}
