/** `tasmart valves`: lists the valves that the keys can see. */
import type { Logger } from 'pino';
import type { AccountConfig, Config, ParsedConfig } from '../config/config.ts';
import { requireConfig } from '../config/parse.ts';
import { withDatabase } from '../database/open.ts';
import { loadKnownValves, type KnownValve } from '../database/known-valves.ts';
import { EXIT_STATUS, KnownError } from '../domain/errors.ts';
import { EVERYTHING } from '../domain/target.ts';
import { escapeAndCut } from '../domain/text.ts';
import { formatRfc3339 } from '../domain/time.ts';
import { compareValves, valveLabel, type Project, type Valve } from '../domain/valve.ts';
import type { HyCloud } from '../hycloud/client.ts';
import { resolveTargets, type ResolvedTargets } from '../polling/targets.ts';
import { recordsText, VALVE_NAMES, type Columns } from '../reporting/records.ts';
import { formatTable, type Column } from '../reporting/table.ts';
import { localTime } from '../reporting/units.ts';
import { accountLog, accountsStatus, forEachAccount, hasNamedAccounts, valuesOf } from './shared/accounts.ts';
import type { CommandContext, OutputFormat } from './shared/context.ts';
import { warnOfFailures } from './shared/failures.ts';
import { withHyCloud } from './shared/hycloud.ts';
import { createLog } from './shared/log.ts';
import { show, stdoutScreen, write } from './shared/output.ts';
import { OPEN_OPTIONS } from './shared/package.ts';
import { readConfig } from './shared/settings.ts';

interface ListedValve {
  /** '': the unnamed one */
  account: string;
  project: Project;
  valve: Valve;
  /** null: HyCloud did not say which firmware is the latest */
  firmwareIsLatest: boolean | null;
  /** what the database knows of the valve */
  known: KnownValve;
}

/** Lists the valves from HyCloud. Adds what the database knows of them, if there is a database. */
export async function run(
  { format }: { format: OutputFormat },
  { globals, signal, giveUp }: CommandContext,
): Promise<number> {
  const log = await createLog(globals);
  const parsed = await readConfig(globals, log);
  const config = requireConfig(parsed, ['hycloud']);
  const deadlineMs = performance.now() + config.runDeadlineSeconds * 1000;
  const limits = { signal, deadlineMs: () => deadlineMs };
  const results = await forEachAccount(config.accounts, signal, log, (account, ownLog) =>
    withHyCloud(account.hycloud, config, limits, ownLog, (hycloud) =>
      listValves(hycloud, account, config.maxConcurrency, ownLog),
    ),
  );
  const found = valuesOf(results);
  const ids = found.flatMap(({ projects }) => projects.flatMap(({ valves }) => valves.map(({ id }) => id)));
  const knownValves = await loadKnownIfPossible(parsed, ids, giveUp, log);

  const listed = found.flatMap(({ account, projects, latestFirmware }) =>
    projects.flatMap((project) =>
      project.valves.map((valve) => ({
        account: account.name,
        project,
        valve,
        firmwareIsLatest: latestFirmware === null || valve.firmware === null ? null : valve.firmware === latestFirmware,
        known: knownValves.get(valve.id) ?? { backendRef: null, latestReadingUs: null },
      })),
    ),
  );
  listed.sort((a, b) => compareValves(a.valve, b.valve));
  const screen = stdoutScreen();
  if (format === 'table') await show(valvesTable(listed, config, screen.width), screen);
  else await write(recordsText(format, RECORD_COLUMNS, listed));
  for (const { account, problems } of found) {
    const failures = problems.map((problem) => ({ ...problem, valve: null }));
    warnOfFailures(failures, 'there is more that could not be read', accountLog(account, log));
  }
  return accountsStatus(results, ({ problems }) => (problems.length > 0 ? EXIT_STATUS.partial : 0));
}

async function listValves(
  hycloud: HyCloud,
  account: AccountConfig,
  maxConcurrency: number,
  log: Logger,
): Promise<Pick<ResolvedTargets, 'projects' | 'problems'> & { account: AccountConfig; latestFirmware: string | null }> {
  const { projects, problems } = await resolveTargets(hycloud, [EVERYTHING], { maxConcurrency });
  const latestFirmware = await hycloud.latestFirmware().catch((error: unknown) => {
    if (!(error instanceof KnownError)) throw error;
    log.warn(`which firmware is the latest is not known: ${error.message}`);
    return null;
  });
  return { account, projects, problems, latestFirmware };
}

/** Without a database, returns nothing. Warns if a database is configured, but cannot be read. */
async function loadKnownIfPossible(
  parsed: ParsedConfig,
  ids: readonly string[],
  giveUp: AbortSignal,
  log: Logger,
): Promise<Map<string, KnownValve>> {
  const { database } = parsed.config;
  if (!isDatabaseConfigured(parsed)) return new Map();
  try {
    requireConfig(parsed, ['database']);
    return await withDatabase(database, { ...OPEN_OPTIONS, giveUp }, (session) => loadKnownValves(session, ids));
  } catch (error) {
    if (!(error instanceof KnownError)) throw error;
    log.warn(`latest readings and links are not shown: ${error.message}`);
    return new Map();
  }
}

/** Whether DB_HOST or DATABASE_URL is set. If neither is, parseDatabase reports DB_HOST and leaves the host empty. */
function isDatabaseConfigured({ config: { database }, problems }: ParsedConfig): boolean {
  const hasNoHost = 'host' in database && database.host === '';
  return !(hasNoHost && problems.some(({ key }) => key === 'DB_HOST'));
}

const RECORD_COLUMNS: Columns<ListedValve> = {
  ...VALVE_NAMES,
  kind: ({ valve }) => valve.kind,
  project_id: ({ project }) => project.id,
  project_name: ({ project }) => project.name,
  fw_version: ({ valve }) => valve.firmware,
  fw_is_latest: ({ firmwareIsLatest }) => firmwareIsLatest,
  newest_reading: ({ known: { latestReadingUs: us } }) => (us === null ? null : formatRfc3339(us)),
  register: ({ known }) => known.backendRef,
  account: ({ account }) => account,
};

const COLUMNS: readonly Column[] = [
  { heading: 'valve', minWidth: 20 },
  { heading: 'serial' },
  { heading: 'full serial', rank: 6 },
  { heading: 'kind', rank: 4 },
  { heading: 'project', rank: 2, minWidth: 16 },
  { heading: 'firmware', rank: 5 },
  { heading: 'newest reading', rank: 3 },
  { heading: 'register', rank: 1, minWidth: 12 },
];

function valvesTable(
  listed: readonly ListedValve[],
  { accounts, timezone }: Pick<Config, 'accounts' | 'timezone'>,
  screenWidth: number,
): string {
  const showsAccounts = hasNamedAccounts(accounts);
  return formatTable(
    [...(showsAccounts ? [{ heading: 'account' }] : []), ...COLUMNS],
    listed.map(({ account, project, valve, firmwareIsLatest, known }) => [
      ...(showsAccounts ? [escapeAndCut(account)] : []),
      escapeAndCut(valveLabel(valve)),
      escapeAndCut(valve.shortSn ?? '–'),
      escapeAndCut(valve.fullSn ?? '–'),
      escapeAndCut(valve.kind ?? '–', 20),
      escapeAndCut(project.name),
      `${escapeAndCut(valve.firmware ?? '–', 20)}${firmwareIsLatest === false ? ' (old)' : ''}`,
      known.latestReadingUs === null ? '–' : localTime(known.latestReadingUs, timezone),
      escapeAndCut(known.backendRef ?? '–', 32),
    ]),
    screenWidth,
  );
}
