import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The installed package, wherever the bundler has put this file. */
export const ROOT = findRoot(dirname(fileURLToPath(import.meta.url)));

export const SQL_DIR = join(ROOT, 'sql');

/** What the browser runs of the report, and its style. */
export const REPORT_DIR = join(ROOT, 'dist', 'report');

export const VERSION = (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }).version;

/** What every session with the database is opened with, besides its limit. */
export const OPEN_OPTIONS = { applicationName: `tasmart ${VERSION}`, sqlDir: SQL_DIR };

/** The folder that holds sql/; what the bundler makes has a package.json of its own. */
function findRoot(folder: string): string {
  const parent = dirname(folder);
  return existsSync(join(folder, 'sql')) || parent === folder ? folder : findRoot(parent);
}
