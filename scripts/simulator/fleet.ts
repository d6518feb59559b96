import type { PropertyName } from '../../src/domain/reading.ts';
import { parseRfc3339, US_PER_SECOND, type Micros } from '../../src/domain/time.ts';
import type { Json } from './json.ts';
import { CITIES, PLACES, PLANTS, PROJECT_NAMES } from './names.ts';
import { draws, hash32 } from './random.ts';

export type Register = 1 | 2;

/** What a property can hold; null is sent as an explicit null. */
export type PropertyValue = number | readonly string[] | null;

/** From `fromUs` on, to before `toUs`. */
export interface TimeRange {
  fromUs: Micros;
  toUs: Micros;
}

/** With `toUs` a glitch: the counter shows `kwh` meanwhile. Without, a reset: it counts on from `kwh`. */
export interface CounterJump {
  register: Register;
  fromUs: Micros;
  toUs?: Micros;
  kwh: number;
}

/** A property that is left out of the points, or sent as null: for ever, or in a range. */
export interface Absence {
  property: PropertyName;
  as: 'absent' | 'null';
  during?: TimeRange;
}

/** A point that was made by hand. */
export interface CraftedPoint {
  /** where it stands in the history, and what it shows as its time unless `raw` says otherwise */
  timeUs: Micros;
  /** replaces what physics would say */
  values?: Partial<Record<PropertyName, PropertyValue>>;
  /** laid over the served object as it is, requested or not; such a point is nonsense, and no part of the truth */
  raw?: Record<string, Json | undefined>;
}

/** One valve: plain data, to be changed at any time. */
export interface Valve {
  id: string;
  kind: string;
  fullSn: string;
  shortSn: string;
  userId?: string;
  fwVersion?: string;
  installedUs: Micros;

  /** what the deterministic draws of this valve hang on */
  seed: number;
  /** a point of slot k comes at k · 15 s + phase + a jitter in [0, jitter); together below 15 s */
  phaseUs: Micros;
  jitterUs: Micros;
  /** by how much the valve's own clock is ahead */
  clockAheadS: number;

  heatingPeakKw: number;
  /** counted in the second register */
  coolingPeakKw: number;
  /** kelvin between supply and return at full load */
  spreadK: number;
  /** by how much this valve's days lag behind the others' */
  lagS: number;
  /** how long one swing of the control loop takes */
  swingS: number;

  /** what the counters showed when the valve was installed */
  installedKwh: Readonly<Record<Register, number>>;
  counterJumps: readonly CounterJump[];
  outages: readonly TimeRange[];
  absences: readonly Absence[];
  extraPoints: readonly CraftedPoint[];
  /** takes the place of the 15 s points; answers for any closed range, in ascending order */
  pointsInstead?: (fromUs: Micros, toUs: Micros) => readonly CraftedPoint[];
}

/** One project: plain data, to be changed at any time. Two projects may share a valve. */
export interface Project {
  id: string;
  name: string;
  description: string | null;
  city: string;
  users: { email: string; access: 'read-only' | 'admin' }[];
  valves: Map<string, Valve>;
}

export const LATEST_FIRMWARE = '1.9.2';

const SIZES = [
  { dn: 15, kw: 6 },
  { dn: 20, kw: 18 },
  { dn: 25, kw: 40 },
  { dn: 32, kw: 90 },
  { dn: 40, kw: 160 },
  { dn: 50, kw: 280 },
  { dn: 80, kw: 650 },
] as const;

const FIRST_INSTALLED_S = Number(parseRfc3339('2019-01-01T00:00:00Z')) / US_PER_SECOND;
const LAST_INSTALLED_S = Number(parseRfc3339('2024-01-01T00:00:00Z')) / US_PER_SECOND;

/** The valve with this number; the same one for the same seed. Plain heating; its history has no blemish. */
export function createValve(seed: number, index: number): Valve {
  const valveSeed = hash32(seed, index + 1);
  const { between, below, hex, pick, uuid } = draws(valveSeed);
  const size = SIZES[index % SIZES.length] ?? SIZES[0];
  return {
    id: uuid(),
    kind: `TA-Smart DN${size.dn}`,
    fullSn: hex(24),
    shortSn: valveSeed.toString(16).padStart(8, '0'),
    ...(below(8) > 0 && { userId: `${pick(PLANTS)} – ${pick(PLACES)}` }),
    ...(below(16) > 0 && { fwVersion: pick([LATEST_FIRMWARE, LATEST_FIRMWARE, '1.8.0', '1.7.3']) }),
    installedUs: Math.floor(between(FIRST_INSTALLED_S, LAST_INSTALLED_S)) * US_PER_SECOND,
    seed: valveSeed,
    phaseUs: below(13 * US_PER_SECOND),
    jitterUs: US_PER_SECOND,
    clockAheadS: below(41) - 20,
    heatingPeakKw: size.kw * between(0.7, 1.2),
    coolingPeakKw: 0,
    spreadK: between(8, 20),
    lagS: between(-3600, 3600),
    swingS: between(1400, 2600),
    installedKwh: { 1: 0, 2: 0 },
    counterJumps: [],
    outages: [],
    absences: [],
    extraPoints: [],
  };
}

/** The project with this number, holding these valves. */
export function createProject(seed: number, index: number, valves: readonly Valve[]): Project {
  const { uuid } = draws(hash32(seed, -index - 1));
  const name = PROJECT_NAMES[index % PROJECT_NAMES.length] ?? PROJECT_NAMES[0];
  const round = Math.floor(index / PROJECT_NAMES.length);
  return {
    id: uuid(),
    name: round === 0 ? name : `${name} (${round + 1})`,
    description: null,
    city: CITIES[index % CITIES.length] ?? CITIES[0],
    users: [
      { email: 'niccolo.rossi@example.it', access: 'admin' },
      { email: 'manutenzione@example.it', access: 'read-only' },
    ],
    valves: new Map(valves.map((valve) => [valve.id, valve])),
  };
}

/** One project per given number of valves. */
export function createProjects(seed: number, valveCounts: readonly number[]): Project[] {
  let index = 0;
  return valveCounts.map((count, project) =>
    createProject(
      seed,
      project,
      Array.from({ length: count }, () => createValve(seed, index++)),
    ),
  );
}
