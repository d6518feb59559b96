/** Where the installed package's files are, and its version. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of the installed package. */
export const ROOT = findRoot(dirname(fileURLToPath(import.meta.url)));

export const SQL_DIR = join(ROOT, 'sql');

/** The report's script and style sheet for the browser. */
export const REPORT_DIR = join(ROOT, 'dist', 'report');

export const VERSION = (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }).version;

/** Options for every database session. */
export const OPEN_OPTIONS = { applicationName: `tasmart ${VERSION}`, sqlDir: SQL_DIR };

/** The nearest parent folder that holds sql/. Do not look for package.json: the bundle in dist/ has its own. */
function findRoot(folder: string): string {
  const parent = dirname(folder);
  return existsSync(join(folder, 'sql')) || parent === folder ? folder : findRoot(parent);
}
