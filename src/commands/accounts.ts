/** One command over several accounts: each does its work beside the others, and a failure costs its account alone. */
import type { Logger } from 'pino';
import type { AccountConfig, Config } from '../config/config.ts';
import { accountPrefix, type Account } from '../domain/account.ts';
import { EXIT_STATUS, KnownError } from '../domain/errors.ts';
import { errorStatus, stopStatus } from './exit-status.ts';

export type AccountResult<T> =
  { account: AccountConfig; value: T } | { account: AccountConfig; /** why there is none */ error: KnownError };

/** Log lines of a named account name it. */
export function accountLog({ name }: AccountConfig, log: Logger): Logger {
  return name === '' ? log : log.child({ account: name });
}

/**
 * Does the work for every account at once, and logs what failed. A single account fails as if there were no others.
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
        if (isOfItsOwn(error)) logError(error as KnownError, ownLog);
        return { account, error };
      }
    }),
  );
  for (const result of results) if ('error' in result && !isOfItsOwn(result.error)) throw result.error;
  return results as AccountResult<T>[];
}

function logError({ message, remedy }: KnownError, log: Logger): void {
  log.error({ remedy: remedy ?? undefined }, message);
}

export function valuesOf<T>(results: readonly AccountResult<T>[]): T[] {
  return results.flatMap((result) => ('value' in result ? [result.value] : []));
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
