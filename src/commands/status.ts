/** `tasmart status`: shows how old the readings are. */
import type { Config } from '../config/config.ts';
import type { Database } from '../database/connection.ts';
import { withDatabase } from '../database/open.ts';
import { loadMeanings } from '../database/projects.ts';
import { loadLastPolls } from '../database/last-polls.ts';
import {
  loadRecentPower,
  loadRegisteredValves,
  loadSupply,
  type RegisteredValve,
  type Supply,
} from '../database/status.ts';
import { accountPrefix } from '../domain/account.ts';
import { EXIT_STATUS, KnownError } from '../domain/errors.ts';
import { escapeAndCut } from '../domain/text.ts';
import { US_PER_MINUTE } from '../domain/time.ts';
import { watch, type Watch } from '../polling/watch.ts';
import { isHealthy, statusCsv, statusJson, statusTable, type Status, type ValveStatus } from '../reporting/status.ts';
import type { Screen } from '../reporting/screen.ts';
import { chooseValves, type Choice } from './shared/choice.ts';
import type { CommandContext, OutputFormat } from './shared/context.ts';
import { createLog } from './shared/log.ts';
import { show, stdoutScreen, write } from './shared/output.ts';
import { OPEN_OPTIONS } from './shared/package.ts';
import { loadConfig } from './shared/settings.ts';
import { parseDuration } from './shared/time.ts';
import { watchTerminal } from './status/watch-terminal.ts';

export interface StatusOptions extends Pick<Choice, 'project'> {
  maxAge?: string;
  watch?: true;
  format: OutputFormat;
}

/** Uses the database alone. Exit 1 if a valve is late, a target is unknown, or no valve is watched: see isHealthy. */
export async function run(options: StatusOptions, { globals, signal, giveUp }: CommandContext): Promise<number> {
  const { maxAge, format } = options;
  if (options.watch && (format !== 'table' || !process.stdout.isTTY)) {
    throw new KnownError('usage', '--watch shows the table on a terminal, and nowhere else');
  }
  const log = await createLog(globals);
  const config = await loadConfig(globals, ['database'], log);
  const { timezone } = config;
  const maxAgeUs = maxAge === undefined ? defaultMaxAgeUs(config) : parseDuration(maxAge, '--max-age');
  const load = async (database: Database, screen: Screen) => {
    const status = await loadChosenStatus(database, config, maxAgeUs, options);
    const ids = status.valves.map(({ valve }) => valve.id);
    const drawsPower = format === 'table' && screen.drawsBlocks;
    return { status, power: drawsPower ? await loadRecentPower(database, ids) : null };
  };
  const open = <T>(use: (database: Database) => Promise<T>) =>
    withDatabase(config.database, { ...OPEN_OPTIONS, giveUp }, use);
  if (options.watch) {
    return watchTerminal({ signal, timezone }, open, async (database, screen, height) => {
      const { status, power } = await load(database, screen);
      return statusTable(status, { timezone, power, screen, height });
    });
  }
  const screen = stdoutScreen();
  const { status, power } = await open((database) => load(database, screen));
  if (format === 'table') await show(statusTable(status, { timezone, power, screen }), screen);
  else await write({ json: statusJson, csv: statusCsv }[format](status));
  return isHealthy(status) ? 0 : EXIT_STATUS.check;
}

/**
 * Like `loadStatus`, but with `--project`, only valves of these projects.
 *
 * @throws KnownError exit 78: one of these projects is unknown, or has none of the valves
 */
async function loadChosenStatus(
  database: Database,
  config: Config,
  maxAgeUs: number,
  { project }: Choice,
): Promise<Status> {
  const status = await loadStatus(database, config, await loadRegisteredValves(database), maxAgeUs);
  if (project === undefined) return status;
  const valves = status.valves.map(({ valve }) => valve);
  const chosen = new Set<RegisteredValve>();
  for (const name of project) {
    const found = await chooseValves(database, valves, { project: [name] });
    if (found.length === 0) {
      throw new KnownError('config', `no watched valve is in project "${escapeAndCut(name)}"`, {
        remedy: 'status shows projects that config.json targets; "tasmart report --project" shows any',
      });
    }
    for (const valve of found) chosen.add(valve);
  }
  // Keeps all unknown targets: a valve that was never found may belong to the project.
  return { ...status, valves: status.valves.filter(({ valve }) => chosen.has(valve)) };
}

/** A valve may miss a boundary, and a run may fail, before the exit status is 1. */
const MAX_AGE_INTERVALS = 3;

export function defaultMaxAgeUs({ intervalMinutes }: Config): number {
  return MAX_AGE_INTERVALS * intervalMinutes * US_PER_MINUTE;
}

/**
 * The status of the valves that the accounts' targets watch, and of valves that left these targets.
 *
 * @param maxAgeUs a valve is late if its newest reading is older
 * @throws DatabaseError
 */
export async function loadStatus(
  database: Database,
  config: Config,
  registered: readonly RegisteredValve[],
  maxAgeUs: number,
): Promise<Status> {
  const { watched, left, unknown } = await watchAll(database, config.accounts, registered);
  const ids = [...watched, ...left].map(({ id }) => id);
  const supplies = await loadSupply(database, ids, config);
  const valveStatus = (valve: RegisteredValve, isLeft: boolean): ValveStatus[] => {
    const supply = supplies.get(valve.id);
    if (!supply) return []; // the valve was deleted since it was loaded
    const isLate = !isLeft && (supply.ageUs === null || supply.ageUs > maxAgeUs);
    return [{ valve, supply, isLate, state: isLeft ? 'left' : stateOf(supply, isLate) }];
  };
  const { newest, succeeded } = await loadLastPolls(database, config.accounts);
  return {
    valves: [
      ...watched.flatMap((valve) => valveStatus(valve, false)),
      ...left.flatMap((valve) => valveStatus(valve, true)),
    ],
    unknownTargets: unknown,
    maxAgeUs,
    newestRun: newest,
    lastSuccess: succeeded,
  };
}

/** Combines the accounts: a valve that one account watches has not left, whatever other accounts say. */
async function watchAll(
  database: Database,
  accounts: Config['accounts'],
  valves: readonly RegisteredValve[],
): Promise<Watch<RegisteredValve>> {
  const watches: Watch<RegisteredValve>[] = [];
  for (const account of accounts) {
    const meanings = await loadMeanings(database, account);
    const found = watch(valves, { ...account, meanings });
    watches.push({ ...found, unknown: found.unknown.map((text) => `${accountPrefix(account)}${text}`) });
  }
  const watchedByAny = new Set(watches.flatMap(({ watched }) => watched));
  const leftByAny = new Set(watches.flatMap(({ left }) => left));
  return {
    watched: valves.filter((valve) => watchedByAny.has(valve)),
    left: valves.filter((valve) => leftByAny.has(valve) && !watchedByAny.has(valve)),
    unknown: watches.flatMap(({ unknown }) => unknown),
  };
}

function stateOf({ isSilent }: Supply, isLate: boolean): ValveStatus['state'] {
  if (isSilent) return 'silent';
  return isLate ? 'behind' : 'ok';
}
