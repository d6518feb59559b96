/** The sequences of public bug reports, each with the kWh that are right. */
import { expect, test } from 'vitest';
import { US_PER_MINUTE, parseRfc3339 } from '../../src/domain/time.ts';
import { judge } from '../../src/energy/judge.ts';
import cases from './kwh-cases.json' with { type: 'json' };

const limits = { intervalUs: 15 * US_PER_MINUTE, maxPowerKw: 1500 };

for (const { name, readings, kwh } of cases) {
  test(name, () => {
    const judgement = judge({
      checkpoint: null,
      readings: readings.map((reading) => {
        const [time, counterKwh, powerKw] = reading as [string, number, number | null];
        return { timeUs: parseRfc3339(time) ?? NaN, counterKwh, powerKw };
      }),
      suppliedFromUs: -Infinity,
      corrections: [],
      limits,
    });
    if (judgement.kind !== 'judged') throw new Error('a run from scratch needs no history');
    const total = judgement.quarters.reduce((sum, quarter) => sum + quarter.microKwh, 0) / 1e6;
    expect(total).toBeGreaterThanOrEqual(kwh.min);
    expect(total).toBeLessThanOrEqual(kwh.max);
  });
}
