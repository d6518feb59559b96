import { access, constants, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Config, Problem } from '../../config/config.ts';
import { KnownError } from '../../domain/errors.ts';
import { count } from '../../domain/text.ts';
import { failed, ok, skipped, warning, type CheckItem } from '../../reporting/check.ts';
import type { GlobalOptions } from '../context.ts';
import { isOpenToOthers, parseSettings, readOptional, UNVERIFIED } from '../settings.ts';

/** The two files, and what they say; a key that is wrong has its default in `config`. */
export async function checkSettings(
  globals: GlobalOptions,
): Promise<{ items: CheckItem[]; config: Config; problems: readonly Problem[] }> {
  const file = await readFileItem('config.json', globals.config, '--config');
  const env = await readFileItem('.env', globals.envFile, '--env-file');
  const parsed = await parseSettings({ name: globals.config ?? 'config.json', text: file.text }, env.text);
  // What is wrong with the file as a whole, its own item has said.
  const problems = parsed.problems.filter(({ key }) => file.text !== null || key !== 'config.json');
  const items = [
    file.item ?? failed('config.json', 'is not here', 'copy config.example.json, or name one with --config'),
    env.item ?? missingEnv(),
    ...(env.item?.state === 'ok' ? await permissions(globals.envFile ?? '.env') : []),
    ...(problems.length === 0 ? [ok('configuration', describe(parsed.config))] : problems.map(problemItem)),
    ...(process.env['NODE_TLS_REJECT_UNAUTHORIZED'] === '0'
      ? [warning('TLS', UNVERIFIED, 'unset it: it leaves other programs open')]
      : []),
    ...ignoredVariables(parsed.config),
    ...(parsed.config.metricsFile === null ? [] : [await metricsFolder(parsed.config.metricsFile)]),
  ];
  return { items, ...parsed };
}

/** libpq's own; https://www.postgresql.org/docs/current/libpq-envars.html */
const OF_LIBPQ =
  /^PG(HOST|HOSTADDR|PORT|DATABASE|USER|PASSWORD|PASSFILE|SERVICE|SERVICEFILE|REQUIRE[A-Z]+|SSL[A-Z_]+|TARGETSESSIONATTRS)$/;

/** What psql would use and tasmart does not. */
function ignoredVariables({ database }: Config): CheckItem[] {
  const found = Object.keys(process.env).filter((name) => OF_LIBPQ.test(name));
  if (database.embeddedFolder !== undefined || found.length === 0) return [];
  const seen = `${found.sort().join(', ')}: set for psql, and not used by tasmart, as ~/.pgpass is not either`;
  return [skipped('variables of libpq', seen)];
}

/** No item: there is no such file, and none was named. */
async function readFileItem(
  name: string,
  named: string | undefined,
  option: string,
): Promise<{ item: CheckItem | null; text: string | null }> {
  try {
    const text = await readOptional(named, name, option);
    return { item: text === null ? null : ok(name, resolve(named ?? name)), text };
  } catch (error) {
    if (!(error instanceof KnownError)) throw error;
    return { item: failed(name, error.message, error.remedy), text: null };
  }
}

function missingEnv(): CheckItem {
  return warning('.env', 'is not here: only the environment counts', 'copy .env.example, unless that is meant');
}

async function permissions(file: string): Promise<CheckItem[]> {
  if (process.platform === 'win32') return [];
  const { mode } = await stat(file);
  const text = (mode & 0o777).toString(8);
  if (!isOpenToOthers(mode)) return [ok('.env permissions', text)];
  const seen = `${text}: other users of this machine can get at the credentials`;
  return [warning('.env permissions', seen, `chmod 600 ${file}`)];
}

function problemItem({ key, message, section }: Problem): CheckItem {
  const seen = `${key} ${message}`;
  // A poll may be told its part by --shard; every other command has all valves.
  return section === 'shard' ? warning('configuration', seen, null) : failed('configuration', seen, null);
}

function describe({ accounts, intervalMinutes, timezone }: Config): string {
  const targets = count(accounts.flatMap((account) => account.targets).length, 'target');
  const of = accounts.length > 1 ? ` of ${count(accounts.length, 'account')}` : '';
  return `${targets}${of}, every ${intervalMinutes} minutes, ${timezone}`;
}

async function metricsFolder(file: string): Promise<CheckItem> {
  const folder = dirname(resolve(file));
  try {
    await access(folder, constants.W_OK);
    return ok('metrics_file', resolve(file));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '?';
    return failed('metrics_file', `${folder} cannot be written (${code})`, 'make the folder, owned by this user');
  }
}
