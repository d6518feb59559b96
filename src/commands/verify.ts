import { withDatabase } from '../database/open.ts';
import { loadAccount } from '../database/verify.ts';
import { EXIT_STATUS } from '../domain/errors.ts';
import { verifications, verifyCsv, verifyJson, verifyTable, type Verification } from '../reporting/verify.ts';
import { meteredValves } from './consumption.ts';
import type { CommandContext, OutputFormat } from './context.ts';
import { createLog } from './log.ts';
import { OPEN_OPTIONS } from './package.ts';
import { loadConfig } from './settings.ts';
import { parseSpan } from './time.ts';

export interface VerifyOptions {
  from: string;
  to: string;
  valve?: string[];
  format: OutputFormat;
}

/** `tasmart verify`: whether the kWh add up, and whether the counters look sound. Exit 0 only where all sums agree. */
export async function run(options: VerifyOptions, { globals, giveUp }: CommandContext): Promise<number> {
  const log = await createLog(globals);
  const config = await loadConfig(globals, ['database'], log);
  const span = { ...config, ...parseSpan(options, config.timezone, Date.now() * 1000) };
  const lines = await withDatabase(config.database, { ...OPEN_OPTIONS, giveUp }, async (database) => {
    const found: Verification[] = [];
    for (const valve of await meteredValves(database, options.valve ?? [])) {
      found.push(...verifications(valve, await loadAccount(database, valve.id, span)));
    }
    return found;
  });
  process.stdout.write({ table: verifyTable, json: verifyJson, csv: verifyCsv }[options.format](lines));
  return lines.every(({ agrees }) => agrees) ? 0 : EXIT_STATUS.check;
}
