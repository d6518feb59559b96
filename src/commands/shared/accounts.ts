/** Runs a command for several accounts at once. If one account fails, the others continue. */
import type { Logger } from 'pino';
import type { AccountConfig, Config } from '../../config/config.ts';
import type { Account } from '../../domain/account.ts';
import { EXIT_STATUS, KnownError } from '../../domain/errors.ts';
import { NoSuchValve } from '../../polling/target-errors.ts';
import { errorStatus, stopStatus } from './exit-status.ts';

export type AccountResult<T> =
  { account: AccountConfig; value: T } | { account: AccountConfig; /** why there is no value */ error: KnownError };

/** Whether tables need a column for the account: config.json names accounts. */
export function hasNamedAccounts(accounts: readonly Account[]): boolean {
  return accounts.some(({ name }) => name !== '');
}

/** The log for an account. Its lines have the name of the account, if it has one. */
export function accountLog({ name }: AccountConfig, log: Logger): Logger {
  return name === '' ? log : log.child({ account: name });
}

/**
 * Does the work for all accounts at once. Logs the error of an account and returns it, except NoSuchValve, which is not
 * logged: another account may have the valve (see requireNamedValves).
 *
 * @throws after all accounts have ended: the error of the only account, a defect, or the interruption by a signal
 */
export async function forEachAccount<T>(
  accounts: readonly AccountConfig[],
  signal: AbortSignal,
  log: Logger,
  work: (account: AccountConfig, log: Logger) => Promise<T>,
): Promise<AccountResult<T>[]> {
  /** Whether the command can go on without the account that has failed. */
  const costsOneAccount = (error: unknown) =>
    accounts.length > 1 && error instanceof KnownError && stopStatus(signal) === null;
  const results = await Promise.all(
    accounts.map(async (account) => {
      const ownLog = accountLog(account, log);
      try {
        return { account, value: await work(account, ownLog) };
      } catch (error) {
        if (costsOneAccount(error) && !(error instanceof NoSuchValve)) logError(error, ownLog);
        return { account, error };
      }
    }),
  );
  const fatal = results.flatMap((result) => ('error' in result && !costsOneAccount(result.error) ? [result] : []));
  const [first, ...others] = fatal;
  if (!first) return results as AccountResult<T>[];
  // The first error is thrown, and reported when the program ends. Log the others here.
  if (stopStatus(signal) === null) {
    for (const { account, error } of others) logError(error, accountLog(account, log));
  }
  throw first.error;
}

function logError(error: unknown, log: Logger): void {
  if (error instanceof KnownError) log.error({ remedy: error.remedy ?? undefined }, error.message);
  else log.error(`a defect of tasmart: ${String(error)}`);
}

export function valuesOf<T>(results: readonly AccountResult<T>[]): T[] {
  return results.flatMap((result) => ('value' in result ? [result.value] : []));
}

/** With `--valve`: omits the accounts that have none of the valves. */
export function omitWithoutNamedValves<T>(results: readonly AccountResult<T>[]): AccountResult<T>[] {
  return results.filter((result) => !('error' in result && result.error instanceof NoSuchValve));
}

/** With `--valve`. @throws NoSuchValve for names that no account knows */
export function requireNamedValves<T extends { missing: NoSuchValve | null }>(
  results: readonly AccountResult<T>[],
): void {
  // null: the account has all of the valves, or an error kept it from looking for them.
  const errors = results.map((result) => {
    if ('value' in result) return result.value.missing;
    return result.error instanceof NoSuchValve ? result.error : null;
  });
  const isUnknownToAll = (name: string) => errors.every((error) => error?.names.includes(name));
  const unknown = errors[0]?.names.filter(isUnknownToAll) ?? [];
  const known = errors.flatMap((error) => error?.known ?? []);
  if (unknown.length > 0) throw new NoSuchValve(unknown, known);
}

/**
 * The exit status of all accounts. If all have the same status: this one. If some succeeded, at least in part: partial.
 * Else the status of the first account that was not locked out by another run.
 */
export function accountsStatus<T>(results: readonly AccountResult<T>[], statusOf: (value: T) => number): number {
  const statuses = results.map((result) => ('value' in result ? statusOf(result.value) : errorStatus(result.error)));
  const [first = 0, ...others] = statuses;
  if (others.every((status) => status === first)) return first;
  const didSomething = statuses.some((status) => status === 0 || status === EXIT_STATUS.partial);
  if (didSomething) return EXIT_STATUS.partial;
  return statuses.find((status) => status !== EXIT_STATUS.locked) ?? EXIT_STATUS.locked;
}

/** The first error with this exit status; null: no account failed with it */
export function errorBehind(status: number, results: readonly AccountResult<unknown>[]): KnownError | null {
  const errors = results.flatMap((result) => ('error' in result ? [result.error] : []));
  return errors.find((error) => errorStatus(error) === status) ?? null;
}

/** The names of the accounts that come later in config.json, see `Recorder`. */
export function accountsAfter({ accounts }: Config, account: AccountConfig): string[] {
  return accounts.slice(accounts.indexOf(account) + 1).map(({ name }) => name);
}

/** Adds the account's name to the name of an item of `check`. */
export function withAccountName<Item extends { name: string }>({ name }: Account, item: Item): Item {
  return name === '' ? item : { ...item, name: `${item.name} (${name})` };
}
