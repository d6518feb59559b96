/** The stored kWh and events of a counter, and those that its readings give from scratch, to be compared. */
import { expect } from 'vitest';
import type { Database } from '../../src/database/connection.ts';
import type { Correction, CounterReading, Regime } from '../../src/domain/energy.ts';
import { hasRegime2 } from './judged.ts';
import { fromScratch, LIMITS } from './support.ts';

interface Kwh {
  /** start, 10⁻⁶ kWh, covered seconds, quality */
  quarters: unknown[][];
  /** kind, start, end, 10⁻⁶ kWh */
  events: unknown[][];
}

export async function storedKwh(db: Pick<Database, 'query'>, valve: string, regime: Regime): Promise<Kwh> {
  const quarters = await db.query<{ start_us: string; micro_kwh: string; covered: string; quality: string }>(
    `select extract(epoch from starts) * 1000000 as start_us, kwh * 1000000 as micro_kwh, coverage * 900 as covered, quality
     from tasmart_quarter_hours where tasmart_id = $1 and regime = $2 order by starts`,
    [valve, regime],
  );
  const events = await db.query<{ kind: string; from_us: string; to_us: string; kwh: string | null }>(
    `select kind, extract(epoch from starts) * 1000000 as from_us, extract(epoch from ends) * 1000000 as to_us,
       counted_kwh * 1000000 as kwh
     from tasmart_counter_events where tasmart_id = $1 and regime = $2 order by starts`,
    [valve, regime],
  );
  return {
    quarters: quarters.map((row) => [
      Number(row.start_us),
      Math.round(Number(row.micro_kwh)),
      Math.round(Number(row.covered)),
      row.quality,
    ]),
    events: events.map(({ kind, from_us: from, to_us: to, kwh }) => [
      kind,
      Number(from),
      Number(to),
      Math.round(Number(kwh)),
    ]),
  };
}

export function kwhFromScratch(
  readings: readonly CounterReading[],
  limits = LIMITS,
  corrections: readonly Correction[] = [],
): Kwh {
  const sorted = [...readings].sort((a, b) => a.timeUs - b.timeUs);
  const { quarters, events } = fromScratch(sorted, corrections, limits);
  return {
    quarters: quarters.map((quarter) => [quarter.startUs, quarter.microKwh, quarter.coveredSeconds, quarter.quality]),
    events: events.map((event) => [event.kind, event.fromUs, event.toUs, event.countedMicroKwh]),
  };
}

/** That the stored kWh of both regimes are those of the readings. */
export async function expectJudged(db: Database, valve: string, readings: readonly CounterReading[], limits = LIMITS) {
  expect(await storedKwh(db, valve, 1)).toEqual(kwhFromScratch(readings, limits));
  expect(await storedKwh(db, valve, 2)).toEqual(kwhFromScratch(readings.filter(hasRegime2), limits));
}
