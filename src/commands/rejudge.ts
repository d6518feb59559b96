/** `tasmart rejudge`: computes all kWh again, with the configured limits. */
import { counterKey, loadCurveTotals } from '../database/energy.ts';
import { loadLimits, replaceLimits } from '../database/judgements.ts';
import { withDatabase } from '../database/open.ts';
import { EXIT_STATUS } from '../domain/errors.ts';
import { count } from '../domain/text.ts';
import { US_PER_MINUTE } from '../domain/time.ts';
import { REGIMES, type Limits } from '../domain/energy.ts';
import type { CommandContext } from './shared/context.ts';
import { configuredLimits, judgeWithProgress } from './shared/judging.ts';
import { createLog } from './shared/log.ts';
import { write } from './shared/output.ts';
import { OPEN_OPTIONS } from './shared/package.ts';
import { loadConfig } from './shared/settings.ts';

/** Stores the configured limits, judges all readings by them, and prints what has changed. Exit 2 if a valve failed. */
export async function run(_options: object, { globals, signal, giveUp }: CommandContext): Promise<number> {
  const log = await createLog(globals);
  const config = await loadConfig(globals, ['database'], log);
  const limits = configuredLimits(config);
  return withDatabase(config.database, { ...OPEN_OPTIONS, giveUp }, async (database) => {
    const old = await loadLimits(database, limits); // stores them if there are none: replaceLimits only updates
    await write(`max_power_kw: ${limitText(old, limits, ({ maxPowerKw }) => maxPowerKw)}\n`);
    await write(`interval_minutes: ${limitText(old, limits, ({ intervalUs }) => intervalUs / US_PER_MINUTE)}\n`);
    const before = await loadCurveTotals(database);
    await replaceLimits(database, limits);
    const failures = await judgeWithProgress(database, limits, log, { globals, signal });
    signal.throwIfAborted();
    const after = await loadCurveTotals(database);
    // These counters were not judged again.
    for (const { tasmartId } of failures) REGIMES.forEach((regime) => after.delete(counterKey({ tasmartId, regime })));
    const changed = [...after].filter(([counter, microKwh]) => before.get(counter) !== microKwh).length;
    const judged = count(after.size, 'counter');
    await write(`${judged} judged again; the kWh of ${changed === 0 ? 'none' : changed} of them changed\n`);
    return failures.length > 0 ? EXIT_STATUS.partial : 0;
  });
}

function limitText(old: Limits, now: Limits, valueOf: (limits: Limits) => number): string {
  return valueOf(old) === valueOf(now) ? `${valueOf(now)}, as before` : `${valueOf(now)}, before ${valueOf(old)}`;
}
