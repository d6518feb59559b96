/** HyCloud's properties, and a reading that holds their values. */
import type { Micros } from './time.ts';

/** The values of a point, in HyCloud's own units. Null: the valve sent none. */
export interface Measurements {
  /** dl/h; 10 000 dl/h = 1 m³/h */
  measuredFlowDlh: number | null;
  /** dW; 10 000 dW = 1 kW */
  measuredPowerDw: number | null;
  /** kWh since installation, an odometer */
  energyCounter1Kwh: number | null;
  /** kWh since installation, an odometer */
  energyCounter2Kwh: number | null;
  /** 1/100 % of the current maximum flow */
  relativeFlowBp: number | null;
  /** 1/100 % of the current maximum power */
  relativePowerBp: number | null;
  /** 1/100 % of the current maximum opening */
  positionBp: number | null;
  /** tenths of a volt */
  inputSignalDv: number | null;
  /** tenths of a degree Celsius */
  localTempDc: number | null;
  /** tenths of a degree Celsius */
  remoteTempDc: number | null;
  /** seconds since 2000-01-01 by the valve's own clock */
  valveTimestampS: number | null;
  /** the valve's daylight-saving switch */
  valveDst: number | null;
  /** open set: HyCloud may add values */
  errorStatus: readonly string[] | null;
}

/** One point of one valve, as it is stored. */
export interface Reading extends Measurements {
  timeUs: Micros;
}

type PropertyType = 'int16' | 'int32' | 'int64' | 'text[]';

/**
 * HyCloud's properties. The names are public: config.json, JSON, CSV and the table's columns all use them.
 *
 * @see ../config/README.md
 */
export const PROPERTIES = {
  measured_flow: { field: 'measuredFlowDlh', type: 'int32' },
  measured_power: { field: 'measuredPowerDw', type: 'int32' },
  energy_counter_regime_1: { field: 'energyCounter1Kwh', type: 'int64' },
  energy_counter_regime_2: { field: 'energyCounter2Kwh', type: 'int64' },
  relative_flow: { field: 'relativeFlowBp', type: 'int32' },
  relative_power: { field: 'relativePowerBp', type: 'int32' },
  position: { field: 'positionBp', type: 'int16' },
  input_signal: { field: 'inputSignalDv', type: 'int16' },
  local_temp: { field: 'localTempDc', type: 'int16' },
  remote_temp: { field: 'remoteTempDc', type: 'int16' },
  valve_timestamp: { field: 'valveTimestampS', type: 'int64' },
  valve_dst: { field: 'valveDst', type: 'int16' },
  error_status: { field: 'errorStatus', type: 'text[]' },
} as const satisfies Record<string, { field: keyof Measurements; type: PropertyType }>;

export type PropertyName = keyof typeof PROPERTIES;

export const PROPERTY_NAMES = Object.keys(PROPERTIES) as readonly PropertyName[];

/** The values of a point without any property. */
export const NO_MEASUREMENTS = Object.fromEntries(
  PROPERTY_NAMES.map((name) => [PROPERTIES[name].field, null]),
) as Record<keyof Measurements, null>;

/** The properties that every run reads, configured or not. */
export const MEASURED_PROPERTIES: readonly PropertyName[] = [
  'measured_flow',
  'measured_power',
  'energy_counter_regime_1',
  'energy_counter_regime_2',
];
