/** One command over several accounts: each does its work beside the others, and a failure costs its account alone. */
import type { Logger } from 'pino';
import type { AccountConfig, Config } from '../config/config.ts';
import { accountPrefix, type Account } from '../domain/account.ts';
import { EXIT_STATUS, KnownError } from '../domain/errors.ts';
import type { JudgeFailure } from '../energy/bookkeeping.ts';
import { NoSuchValve } from '../polling/targets.ts';
import { errorStatus, stopStatus } from './exit-status.ts';

export type AccountResult<T> =
  { account: AccountConfig; value: T } | { account: AccountConfig; /** why there is none */ error: KnownError };

/** Log lines of a named account name it. */
export function accountLog({ name }: AccountConfig, log: Logger): Logger {
  return name === '' ? log : log.child({ account: name });
}

/**
 * Does the work for every account at once, and logs what failed. A single account fails as if there were no others.
 * That an account has none of the named valves is not logged: another one may have them (see withNamedValves).
 *
 * @throws the error of a single account; a defect, or that the run was stopped, once every account has ended
 */
export async function forEachAccount<T>(
  accounts: readonly AccountConfig[],
  signal: AbortSignal,
  log: Logger,
  work: (account: AccountConfig, log: Logger) => Promise<T>,
): Promise<AccountResult<T>[]> {
  const isOfItsOwn = (error: unknown) =>
    accounts.length > 1 && error instanceof KnownError && stopStatus(signal) === null;
  const results = await Promise.all(
    accounts.map(async (account) => {
      const ownLog = accountLog(account, log);
      try {
        return { account, value: await work(account, ownLog) };
      } catch (error) {
        if (isOfItsOwn(error) && !(error instanceof NoSuchValve)) logError(error, ownLog);
        return { account, error };
      }
    }),
  );
  const [thrown, ...others] = results.filter((result) => 'error' in result && !isOfItsOwn(result.error));
  if (!thrown || !('error' in thrown)) return results as AccountResult<T>[];
  // The first is reported when the program ends.
  if (stopStatus(signal) === null) {
    for (const other of others) if ('error' in other) logError(other.error, accountLog(other.account, log));
  }
  throw thrown.error;
}

function logError(error: unknown, log: Logger): void {
  if (error instanceof KnownError) log.error({ remedy: error.remedy ?? undefined }, error.message);
  else log.error(`a defect of tasmart: ${String(error)}`);
}

export function valuesOf<T>(results: readonly AccountResult<T>[]): T[] {
  return results.flatMap((result) => ('value' in result ? [result.value] : []));
}

/** With `--valve`: the accounts that have any of the valves, or failed before they knew. */
export function withNamedValves<T>(results: readonly AccountResult<T>[]): AccountResult<T>[] {
  return results.filter((result) => !('error' in result && result.error instanceof NoSuchValve));
}

/** @throws NoSuchValve for names that no account has a valve of */
export function requireNamedValves<T extends { missing: NoSuchValve | null }>(
  results: readonly AccountResult<T>[],
): void {
  const missing = results.map((result) => {
    if ('value' in result) return result.value.missing;
    return result.error instanceof NoSuchValve ? result.error : null;
  });
  const names = missing[0]?.names.filter((name) => missing.every((each) => each?.names.includes(name))) ?? [];
  const known = missing.flatMap((each) => each?.known ?? []);
  if (names.length > 0) throw new NoSuchValve(names, known);
}

/**
 * The exit status of all accounts: theirs if they agree. Where some did well and others not, it is partial. Where none
 * did, it is the first one's that has done its own work, not left it to another run.
 */
export function accountsStatus<T>(results: readonly AccountResult<T>[], statusOf: (value: T) => number): number {
  const statuses = results.map((result) => ('value' in result ? statusOf(result.value) : errorStatus(result.error)));
  const [first = 0, ...others] = statuses;
  if (others.every((status) => status === first)) return first;
  const didSomething = statuses.some((status) => status === 0 || status === EXIT_STATUS.partial);
  if (didSomething) return EXIT_STATUS.partial;
  return statuses.find((status) => status !== EXIT_STATUS.locked) ?? EXIT_STATUS.locked;
}

/** The error behind this exit status of all accounts; null: none of them failed with it. */
export function errorBehind(status: number, results: readonly AccountResult<unknown>[]): KnownError | null {
  const errors = results.flatMap((result) => ('error' in result ? [result.error] : []));
  return errors.find((error) => errorStatus(error) === status) ?? null;
}

/** Returns what an account calls at its end. True: all the others have ended before. */
export function createLastCall(accounts: readonly AccountConfig[]): (account: AccountConfig) => boolean {
  const working = new Set(accounts);
  return (account) => {
    working.delete(account);
    return working.size === 0;
  };
}

/**
 * Judges once an account's work is done. The account that ends last judges for all, even if its own work failed.
 *
 * @throws the error of the work
 */
export async function judgeAfter<T>(
  work: Promise<T>,
  judge: () => Promise<JudgeFailure[]>,
): Promise<{ done: T; unjudged: JudgeFailure[] }> {
  const done = await work.catch(async (error: unknown) => {
    await judge().catch(() => undefined);
    throw error;
  });
  return { done, unjudged: await judge() };
}

/** The accounts behind one in config.json. */
export function accountsAfter({ accounts }: Config, account: AccountConfig): string[] {
  return accounts.slice(accounts.indexOf(account) + 1).map(({ name }) => name);
}

/** A reason that concerns an account, not one of its valves, where there are several accounts. */
export function inAccount(account: AccountConfig, reason: string): string {
  return `${accountPrefix(account)}${reason}`;
}

/** What was tried for one account, under its name. */
export function ofAccount<Item extends { name: string }>({ name }: Account, item: Item): Item {
  return name === '' ? item : { ...item, name: `${item.name} (${name})` };
}
