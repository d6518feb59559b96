/** ΔT of a valve while water flows. */
import type { ReportReading } from '../../database/report.ts';
import { US_PER_HOUR, type Micros } from '../../domain/time.ts';
import type { DeltaT } from './data.ts';

/** Below this difference, a circuit moves more water than its heat needs. */
export const LOW_DELTA_T_K = 5;

/** Heating water is warmer than this, chilled water is colder. In between, supply and return cannot be told apart. */
const HEATING_ABOVE_C = 30;
const CHILLED_BELOW_C = 22;

/** HyCloud sends tenths of a degree. */
const TENTHS = 10;

export function deltaT(readings: readonly ReportReading[], intervalUs: Micros): DeltaT | null {
  const flowing = readings.flatMap(({ values: { local_temp, remote_temp, measured_flow } }) =>
    local_temp === null || remote_temp === null || measured_flow === null || measured_flow <= 0
      ? []
      : [{ localC: local_temp / TENTHS, remoteC: remote_temp / TENTHS, flow: measured_flow }],
  );
  if (flowing.length === 0) return null;
  const flow = flowing.reduce((sum, each) => sum + each.flow, 0);
  const mean = (of: (reading: (typeof flowing)[number]) => number): number =>
    flowing.reduce((sum, each) => sum + of(each) * each.flow, 0) / flow;
  const isLow = ({ localC, remoteC }: (typeof flowing)[number]): boolean => Math.abs(localC - remoteC) < LOW_DELTA_T_K;
  return {
    meanK: mean(({ localC, remoteC }) => Math.abs(localC - remoteC)),
    hours: (flowing.length * intervalUs) / US_PER_HOUR,
    lowHours: (flowing.filter(isLow).length * intervalUs) / US_PER_HOUR,
    supply: supplyPipe(
      mean(({ localC }) => localC),
      mean(({ remoteC }) => remoteC),
    ),
  };
}

/** The warmer pipe where the valve heats, the colder one where it cools. */
function supplyPipe(localC: number, remoteC: number): DeltaT['supply'] {
  if (Math.max(localC, remoteC) > HEATING_ABOVE_C) return localC > remoteC ? 'local' : 'remote';
  if (Math.max(localC, remoteC) < CHILLED_BELOW_C) return localC < remoteC ? 'local' : 'remote';
  return null;
}
