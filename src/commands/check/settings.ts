/** The part of `tasmart check` about config.json, .env and the environment. */
import { stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Config, Problem } from '../../config/config.ts';
import { KnownError } from '../../domain/errors.ts';
import { count } from '../../domain/text.ts';
import { failed, ok, skipped, warning, type CheckItem } from '../../reporting/check.ts';
import type { GlobalOptions } from '../shared/context.ts';
import { tryToReplace } from '../shared/replace-file.ts';
import { isOpenToOthers, parseSettings, readOptional, TLS_VARIABLE_IGNORED } from '../shared/settings.ts';

/** Checks both files and their content. `config` has the default of each key that is wrong. */
export async function checkSettings(
  globals: GlobalOptions,
): Promise<{ items: CheckItem[]; config: Config; problems: readonly Problem[] }> {
  const file = await readFileItem(globals.config, 'config.json', '--config');
  const env = await readFileItem(globals.envFile, '.env', '--env-file');
  const parsed = await parseSettings({ name: globals.config ?? 'config.json', text: file.text }, env.text);
  // That config.json does not exist or cannot be read is already in `file.item`.
  const problems = parsed.problems.filter(({ key }) => file.text !== null || key !== 'config.json');
  const items = [
    file.item ?? failed('config.json', 'does not exist', 'copy config.example.json, or name a file with --config'),
    env.item ?? missingEnv(),
    ...(env.item?.state === 'ok' ? await permissionItems(globals.envFile ?? '.env') : []),
    ...(problems.length === 0 ? [ok('configuration', describeConfig(parsed.config))] : problems.map(problemItem)),
    ...(process.env['NODE_TLS_REJECT_UNAUTHORIZED'] === '0'
      ? [warning('TLS', TLS_VARIABLE_IGNORED, 'unset it: it leaves other programs open')]
      : []),
    ...libpqItems(parsed.config),
    ...(parsed.config.metricsFile === null ? [] : [await metricsFileItem(parsed.config.metricsFile)]),
  ];
  return { items, ...parsed };
}

/** Variables of libpq: https://www.postgresql.org/docs/current/libpq-envars.html */
const LIBPQ_VARIABLE =
  /^PG(HOST|HOSTADDR|PORT|DATABASE|USER|PASSWORD|PASSFILE|SERVICE|SERVICEFILE|REQUIRE[A-Z]+|SSL[A-Z_]+|TARGETSESSIONATTRS)$/;

/** Lists variables that psql uses and tasmart ignores, for users who rely on them. */
function libpqItems({ database }: Config): CheckItem[] {
  const found = Object.keys(process.env).filter((name) => LIBPQ_VARIABLE.test(name));
  if (database.embeddedFolder !== undefined || found.length === 0) return [];
  const seen = `${found.sort().join(', ')}: psql uses them, tasmart does not; nor does it use ~/.pgpass`;
  return [skipped('variables of libpq', seen)];
}

/** Reads a file, and says whether this worked. `item` is null if no file was named and the default one does not exist. */
async function readFileItem(
  named: string | undefined,
  defaultFile: string,
  option: string,
): Promise<{ item: CheckItem | null; text: string | null }> {
  try {
    const text = await readOptional(named, defaultFile, option);
    return { item: text === null ? null : ok(defaultFile, resolve(named ?? defaultFile)), text };
  } catch (error) {
    if (!(error instanceof KnownError)) throw error;
    return { item: failed(defaultFile, error.message, error.remedy), text: null };
  }
}

function missingEnv(): CheckItem {
  return warning('.env', 'does not exist: only the environment is used', 'copy .env.example, unless that is intended');
}

async function permissionItems(file: string): Promise<CheckItem[]> {
  if (process.platform === 'win32') return [];
  const { mode } = await stat(file);
  const text = (mode & 0o777).toString(8);
  if (!isOpenToOthers(mode)) return [ok('.env permissions', text)];
  const seen = `${text}: other users of this machine can read the credentials`;
  return [warning('.env permissions', seen, `chmod 600 ${file}`)];
}

function problemItem({ key, message, section }: Problem): CheckItem {
  const seen = `${key} ${message}`;
  // A warning only: --shard may replace the wrong value, and other commands do not use shards.
  return section === 'shard' ? warning('configuration', seen, null) : failed('configuration', seen, null);
}

function describeConfig({ accounts, intervalMinutes, timezone }: Config): string {
  const targets = count(accounts.flatMap((account) => account.targets).length, 'target');
  const ofAccounts = accounts.length > 1 ? ` of ${count(accounts.length, 'account')}` : '';
  return `${targets}${ofAccounts}, every ${intervalMinutes} minutes, ${timezone}`;
}

async function metricsFileItem(file: string): Promise<CheckItem> {
  const folder = dirname(resolve(file));
  try {
    await tryToReplace(file);
    return ok('metrics_file', resolve(file));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '?';
    if (code === 'EINVAL') return failed('metrics_file', `${resolve(file)} is not a file`, 'name a file');
    return failed('metrics_file', `${folder} cannot be written (${code})`, 'create the folder, owned by this user');
  }
}
