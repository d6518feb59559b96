/** ΔT of a valve while water flows. */
import type { ReportReadings } from '../../database/report-readings.ts';
import { US_PER_HOUR, type Micros } from '../../domain/time.ts';
import type { DeltaT } from './data.ts';

/** Below this difference, a circuit moves more water than its heat needs. */
export const LOW_DELTA_T_K = 5;

/** Heating water is warmer than this, chilled water is colder. In between, supply and return cannot be told apart. */
export const HEATING_ABOVE_C = 30;
export const CHILLED_BELOW_C = 22;

/** HyCloud sends tenths of a degree. */
const TENTHS = 10;

/** Over the readings with a flow and both temperatures. Each reading stands for one interval. */
export function deltaT({ values }: Pick<ReportReadings, 'values'>, intervalUs: Micros): DeltaT | null {
  const { local_temp: local, remote_temp: remote, measured_flow: flows } = values;
  /** sums of each value times its flow, and of the flow alone */
  const weighted = { localC: 0, remoteC: 0, deltaK: 0, flow: 0 };
  const counts = { flowing: 0, low: 0 };
  for (const [index, flow] of flows.entries()) {
    const [localTenths, remoteTenths] = [local[index] ?? null, remote[index] ?? null];
    if (localTenths === null || remoteTenths === null || flow === null || flow <= 0) continue;
    const [localC, remoteC] = [localTenths / TENTHS, remoteTenths / TENTHS];
    const deltaK = Math.abs(localTenths - remoteTenths) / TENTHS;
    weighted.localC += localC * flow;
    weighted.remoteC += remoteC * flow;
    weighted.deltaK += deltaK * flow;
    weighted.flow += flow;
    counts.flowing++;
    if (deltaK < LOW_DELTA_T_K) counts.low++;
  }
  if (counts.flowing === 0) return null;
  return {
    meanK: weighted.deltaK / weighted.flow,
    hours: (counts.flowing * intervalUs) / US_PER_HOUR,
    lowHours: (counts.low * intervalUs) / US_PER_HOUR,
    supply: supplyPipe(weighted.localC / weighted.flow, weighted.remoteC / weighted.flow),
  };
}

/** The warmer pipe where the valve heats, the colder one where it cools. */
function supplyPipe(localC: number, remoteC: number): DeltaT['supply'] {
  if (Math.max(localC, remoteC) > HEATING_ABOVE_C) return localC > remoteC ? 'local' : 'remote';
  if (Math.max(localC, remoteC) < CHILLED_BELOW_C) return localC < remoteC ? 'local' : 'remote';
  return null;
}
