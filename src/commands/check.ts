/** `tasmart check`: tests everything that a run needs. */
import type { AccountConfig, Section } from '../config/config.ts';
import { EXIT_STATUS } from '../domain/errors.ts';
import { NO_MEMORY, type Memory } from '../polling/memory.ts';
import { checkJson, checkTable, isSound, skipped } from '../reporting/check.ts';
import { withAccountName } from './shared/accounts.ts';
import { checkDatabase } from './check/database.ts';
import { checkHyCloud } from './check/hycloud.ts';
import { checkSettings } from './check/settings.ts';
import type { CommandContext } from './shared/context.ts';
import { createLog } from './shared/log.ts';
import { show, stdoutScreen, write } from './shared/output.ts';

const NOT_TRIED = 'not tried: its settings are wrong';

/** Reports every problem. Exit 1 if an item failed; a warning is not a failure. */
export async function run({ format }: { format: 'table' | 'json' }, context: CommandContext): Promise<number> {
  const log = await createLog(context.globals);
  const { items: settings, config, problems } = await checkSettings(context.globals);
  const canTry = (wanted: Section) => !problems.some(({ section }) => section === wanted);

  // The database gets `giveUp`: at the first signal, its session is still closed in order.
  const database = canTry('database')
    ? await checkDatabase(config, context.giveUp)
    : { items: [skipped('database', NOT_TRIED)], memories: new Map<string, Memory>() };
  const checkAccount = async (account: AccountConfig) => {
    const memory = database.memories.get(account.name) ?? NO_MEMORY;
    const found = await checkHyCloud(config, account, memory, context.signal, log);
    return found.map((item) => withAccountName(account, item));
  };
  const hycloud = canTry('hycloud')
    ? (await Promise.all(config.accounts.map(checkAccount))).flat()
    : [skipped('HyCloud', NOT_TRIED)];

  const items = [...settings, ...database.items, ...hycloud];
  const screen = stdoutScreen();
  await (format === 'json' ? write(checkJson(items)) : show(checkTable(items, screen.textWidth), screen));
  return isSound(items) ? 0 : EXIT_STATUS.check;
}
