/** Computes the values that a valve measures at an instant. */
import type { PropertyName } from '../../src/domain/reading.ts';
import { US_PER_SECOND, type Micros } from '../../src/domain/time.ts';
import type { PropertyValue, Regime, Valve } from './fleet.ts';
import { hash32 } from './random.ts';

/**
 * Energy E(t) is a closed form that always rises, and power is its slope. So a counter is the exact integral of the power, and
 * every instant takes the same time to compute.
 *
 * Over a year, E = peak · ∫season. The season is a function of worked time, not of real time. Worked time runs faster in the
 * morning, and slower at night and at weekends. SWING_SHARE and the shares of RHYTHMS must sum to less than 1: then worked time
 * never runs backwards, and power is never negative.
 */
const DAY_S = 86_400;
const YEAR_S = 365.25 * DAY_S;
/** The valve's epoch too ("seconds since 2000-01-01", API note); a Saturday. */
const YEAR_2000_S = 946_684_800;

const RHYTHMS = [
  { periodS: DAY_S, share: 0.4, peakS: 10 * 3600 },
  { periodS: DAY_S / 2, share: 0.2, peakS: 6 * 3600 },
  { periodS: 7 * DAY_S, share: 0.08, peakS: 4 * DAY_S },
] as const;
/** of the control loop's oscillation, whose period differs by valve (swingS) */
const SWING_SHARE = 0.12;
/** How fast worked time runs at most. Divided by it, power is peakKw at the most. */
const PEAK_RATE = RHYTHMS.reduce((sum, { share }) => sum + share, 1 + SWING_SHARE);

/** When the heating (1) and the cooling (2) season peak, in seconds of the year. */
const SEASON_PEAK_S = { 1: 15 * DAY_S, 2: 197 * DAY_S } as const;
/** A share of full power that never stops. Without it, a rounding error could make an idle counter fall by 1. */
const TRICKLE = 0.002;

/** HyCloud's values are means of 15 s. */
const MEAN_S = 15;

/** kWh carried by 1 m³ of water per kelvin. */
const WATER_KWH_PER_M3_K = 1.163;

/** By how many seconds a rhythm has put worked time ahead: the integral of share · cos(2π t / period). */
function aheadS(timeS: number, periodS: number, share: number): number {
  const omega = (2 * Math.PI) / periodS;
  // Math.sin is several times as slow for arguments of millions.
  const phaseS = timeS - Math.floor(timeS / periodS) * periodS;
  return (share / omega) * Math.sin(omega * phaseS);
}

/** Worked time, in seconds since 2000 like `timeS`. */
function workedTimeS(valve: Valve, timeS: number): number {
  let workedS = timeS + aheadS(timeS, valve.swingS, SWING_SHARE);
  for (const { periodS, share, peakS } of RHYTHMS) workedS += aheadS(timeS - peakS - valve.lagS, periodS, share);
  return workedS;
}

/**
 * The integral of TRICKLE + ((1 + cos) / 2)² over worked time, in seconds at full power. The season is full at its peak, a
 * quarter in spring and autumn, and nothing half a year later.
 */
function seasonIntegralS(workedS: number, peakS: number): number {
  const omega = (2 * Math.PI) / YEAR_S;
  const angle = omega * (workedS - peakS);
  return (TRICKLE + 3 / 8) * workedS + Math.sin(angle) / (2 * omega) + Math.sin(2 * angle) / (16 * omega);
}

/** kWh since an arbitrary beginning: use differences only. Nothing flows before the valve is installed. */
function totalKwh(valve: Valve, regime: Regime, timeUs: Micros): number {
  const peakKw = regime === 1 ? valve.heatingPeakKw : valve.coolingPeakKw;
  if (peakKw === 0) return 0;
  const timeS = Math.max(timeUs, valve.installedUs) / US_PER_SECOND - YEAR_2000_S;
  return ((peakKw / PEAK_RATE) * seasonIntegralS(workedTimeS(valve, timeS), SEASON_PEAK_S[regime])) / 3600;
}

/** Real energy of one regime between two instants, in kWh. */
export function energyKwh(valve: Valve, regime: Regime, fromUs: Micros, toUs: Micros): number {
  return totalKwh(valve, regime, toUs) - totalKwh(valve, regime, fromUs);
}

/** The mean power of one regime over the 15 s before an instant, in kW. */
function meanKw(valve: Valve, regime: Regime, timeUs: Micros): number {
  return (energyKwh(valve, regime, timeUs - MEAN_S * US_PER_SECOND, timeUs) * 3600) / MEAN_S;
}

/** What the counter shows: the value of a glitch, or what was counted since the last reset. */
function counterKwh(valve: Valve, regime: Regime, timeUs: Micros): number {
  let lastReset = { fromUs: valve.installedUs, kwh: valve.installedKwh[regime] };
  for (const jump of valve.counterJumps) {
    if (jump.regime !== regime || jump.fromUs > timeUs) continue;
    if (jump.toUs === undefined) {
      if (jump.fromUs >= lastReset.fromUs) lastReset = jump;
    } else if (timeUs < jump.toUs) return jump.kwh;
  }
  return lastReset.kwh + Math.floor(energyKwh(valve, regime, lastReset.fromUs, timeUs));
}

/** The state of the water: means of the 15 s before an instant. */
interface Water {
  powerKw: number;
  flowM3h: number;
  /** 0 to 1 */
  load: number;
  /** 0 to 1 */
  openness: number;
  spreadK: number;
  cooling: boolean;
}

function waterAt(valve: Valve, timeUs: Micros): Water {
  const heatingKw = meanKw(valve, 1, timeUs);
  const coolingKw = meanKw(valve, 2, timeUs);
  const powerKw = Math.max(0, heatingKw + coolingKw);
  const load = Math.min(1, powerKw / Math.max(1, valve.heatingPeakKw, valve.coolingPeakKw));
  const spreadK = valve.spreadK * spreadShare(load);
  const flowM3h = powerKw / (WATER_KWH_PER_M3_K * spreadK);
  return { powerKw, flowM3h, load, openness: Math.sqrt(load), spreadK, cooling: coolingKw > heatingKw };
}

/** The spread between supply and return, as a share of that at full load. */
function spreadShare(load: number): number {
  return 0.7 + 0.3 * load;
}

/** In 0.1 °C, as HyCloud sends temperatures. Hot water is hotter at a higher load. Cold water is always 7 °C. */
function supplyDc({ cooling, load }: Water): number {
  return cooling ? 70 : Math.round(350 + 350 * load);
}

function returnDc(water: Water): number {
  return Math.round(supplyDc(water) + (water.cooling ? 10 : -10) * water.spreadK);
}

/** In about one of a hundred hours the valve reports too little flow. */
function errorStatus(valve: Valve, timeUs: Micros): readonly string[] {
  return hash32(valve.seed, Math.floor(timeUs / 3600e6)) % 100 === 0 ? ['WarningFlowNotReached'] : [];
}

/** Each property in HyCloud's unit, which the fields of Reading name (src/domain/reading.ts). */
const VALUES: Record<PropertyName, (valve: Valve, timeUs: Micros, water: Water) => PropertyValue> = {
  measured_flow: (_valve, _timeUs, { flowM3h }) => Math.round(flowM3h * 10_000),
  measured_power: (_valve, _timeUs, { powerKw }) => Math.round(powerKw * 10_000),
  energy_counter_regime_1: (valve, timeUs) => counterKwh(valve, 1, timeUs),
  energy_counter_regime_2: (valve, timeUs) => counterKwh(valve, 2, timeUs),
  relative_flow: (_valve, _timeUs, { load }) => Math.round((10_000 * load) / spreadShare(load)),
  relative_power: (_valve, _timeUs, { load }) => Math.round(10_000 * load),
  position: (_valve, _timeUs, { openness }) => Math.round(10_000 * openness),
  input_signal: (_valve, _timeUs, { openness }) => Math.round(100 * openness),
  local_temp: (_valve, _timeUs, water) => returnDc(water),
  remote_temp: (_valve, _timeUs, water) => supplyDc(water),
  valve_timestamp: (valve, timeUs) => Math.floor(timeUs / US_PER_SECOND) - YEAR_2000_S + valve.clockAheadS,
  valve_dst: (valve) => valve.seed % 2,
  error_status: (valve, timeUs) => errorStatus(valve, timeUs),
};

export type PointValues = Partial<Record<PropertyName, PropertyValue>>;

/** What a healthy valve sends at an instant. */
export function valuesAt(valve: Valve, timeUs: Micros, properties: readonly PropertyName[]): PointValues {
  const water = waterAt(valve, timeUs);
  const values: PointValues = {};
  for (const property of properties) values[property] = VALUES[property](valve, timeUs, water);
  return values;
}
