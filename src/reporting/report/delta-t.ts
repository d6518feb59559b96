/** ΔT of a valve while water flows. */
import type { ReportReadings } from '../../database/report-readings.ts';
import { US_PER_HOUR } from '../../domain/time.ts';
import type { DeltaT } from './data.ts';
import type { Stretch } from './gaps.ts';

/** Below this difference, a circuit moves more water than its heat needs. */
export const LOW_DELTA_T_K = 5;

/** Heating water is warmer than this, chilled water is colder. In between, supply and return cannot be told apart. */
export const HEATING_ABOVE_C = 30;
export const CHILLED_BELOW_C = 22;

/** HyCloud sends tenths of a degree. */
const TENTHS = 10;

/**
 * Over the readings with a flow and both temperatures. A reading stands for the time since the reading before it, at most one
 * interval; the first reading stands for the time since the span's start.
 *
 * @param readings of the span, without neighbours
 */
export function deltaT(
  { timesUs, values }: Pick<ReportReadings, 'timesUs' | 'values'>,
  { fromUs, intervalUs }: Pick<Stretch, 'fromUs' | 'intervalUs'>,
): DeltaT | null {
  const { local_temp: local, remote_temp: remote, measured_flow: flows } = values;
  /** heat is ΔT times water; `local` and `remote`: the heat of the readings that show this pipe as the supply */
  const sums = { water: 0, heat: 0, local: 0, remote: 0 };
  const flowing = { allUs: 0, lowUs: 0 };
  for (const [index, flow] of flows.entries()) {
    const [localTenths, remoteTenths] = [local[index] ?? null, remote[index] ?? null];
    if (localTenths === null || remoteTenths === null || flow === null || flow <= 0) continue;
    const durationUs = Math.min((timesUs[index] ?? 0) - (timesUs[index - 1] ?? fromUs), intervalUs);
    const water = flow * durationUs;
    const deltaK = Math.abs(localTenths - remoteTenths) / TENTHS;
    const pipe = supplyPipe(localTenths / TENTHS, remoteTenths / TENTHS);
    sums.water += water;
    sums.heat += deltaK * water;
    if (pipe) sums[pipe] += deltaK * water;
    flowing.allUs += durationUs;
    if (deltaK < LOW_DELTA_T_K) flowing.lowUs += durationUs;
  }
  if (flowing.allUs === 0) return null;
  return {
    meanK: sums.heat / sums.water,
    hours: flowing.allUs / US_PER_HOUR,
    lowHours: flowing.lowUs / US_PER_HOUR,
    supply: clearMajority(sums),
  };
}

/** Of one reading: the warmer pipe where the valve heats, the colder one where it cools. */
function supplyPipe(localC: number, remoteC: number): DeltaT['supply'] {
  if (Math.max(localC, remoteC) > HEATING_ABOVE_C) return localC > remoteC ? 'local' : 'remote';
  if (Math.max(localC, remoteC) < CHILLED_BELOW_C) return localC < remoteC ? 'local' : 'remote';
  return null;
}

/**
 * Of all readings: the pipe that supplies more than twice the heat of the other. Heat gives little weight to readings whose ΔT
 * may be an error of the sensors.
 */
function clearMajority({ local, remote }: { local: number; remote: number }): DeltaT['supply'] {
  if (local > 2 * remote) return 'local';
  return remote > 2 * local ? 'remote' : null;
}
