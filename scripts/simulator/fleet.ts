/** The simulated projects and valves. */
import type { PropertyName } from '../../src/domain/reading.ts';
import { parseRfc3339, US_PER_SECOND, type Micros, type Span } from '../../src/domain/time.ts';
import type { Json } from './json.ts';
import { CITIES, PLACES, PLANTS, PROJECT_NAMES } from './names.ts';
import { draws, hash32 } from './random.ts';

export type Regime = 1 | 2;

/** The value of a property. Null is sent as an explicit null. */
export type PropertyValue = number | readonly string[] | null;

/** Whether a time is in a span; `toUs` is exclusive. */
export function isIn({ fromUs, toUs }: Span, timeUs: Micros): boolean {
  return timeUs >= fromUs && timeUs < toUs;
}

/** With `toUs`, a glitch: the counter shows `kwh` until `toUs`. Without `toUs`, a reset: it counts on from `kwh`. */
export interface CounterJump {
  regime: Regime;
  fromUs: Micros;
  toUs?: Micros;
  kwh: number;
}

/** A property that the points omit or send as null. Without `during`: always. */
export interface Absence {
  property: PropertyName;
  as: 'absent' | 'null';
  during?: Span;
}

/** A point that a valve has sent. Tests may set `values` and `raw`. */
export interface SimulatedPoint {
  /** the point's place in the history, and its time unless `raw` overrides it */
  timeUs: Micros;
  /** instead of the values that physics.ts computes */
  values?: Partial<Record<PropertyName, PropertyValue>>;
  /**
   * Overrides members of the JSON object as it is served; undefined leaves the member out. Such a point is malformed, and
   * is not expected to be stored.
   */
  raw?: Record<string, Json | undefined>;
}

/** One valve. Plain data: tests may change it at any time. */
export interface Valve {
  id: string;
  kind: string;
  fullSn: string;
  shortSn: string;
  userId?: string;
  fwVersion?: string;
  installedUs: Micros;

  /** seed of all random draws for this valve */
  seed: number;
  /** the time between two points: 15 s for a real valve (API note) */
  everyUs: Micros;
  /** A point of slot k comes at k · everyUs + phaseUs + a random part of jitterUs. The sum of both must be below everyUs. */
  phaseUs: Micros;
  jitterUs: Micros;
  /** how far the valve's own clock is ahead */
  clockAheadS: number;

  heatingPeakKw: number;
  /** counted in the second regime */
  coolingPeakKw: number;
  /** kelvin between supply and return at full load */
  spreadK: number;
  /** how far this valve's daily load lags behind the others' */
  lagS: number;
  /** the period of the control loop's oscillation */
  swingS: number;

  /** what the counters showed when the valve was installed */
  installedKwh: Readonly<Record<Regime, number>>;
  counterJumps: readonly CounterJump[];
  outages: readonly Span[];
  absences: readonly Absence[];
  /** besides the regular points; outages do not concern them */
  extraPoints: readonly SimulatedPoint[];
}

/** One project. Plain data: tests may change it at any time. Two projects may share a valve. */
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

/**
 * Creates the valve with this number, always the same for a seed. It only heats, and has no faults. The draws happen in the
 * order of these lines: a new draw must come last, or the ids and values of all valves change.
 */
export function createValve(seed: number, index: number): Valve {
  const valveSeed = hash32(seed, index + 1); // createProject uses the negative numbers
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
    everyUs: 15 * US_PER_SECOND,
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

/** One project per number of the list, with so many valves. */
export function createProjects(seed: number, valveCounts: readonly number[]): Project[] {
  let valveIndex = 0;
  return valveCounts.map((count, projectIndex) => {
    const valves = Array.from({ length: count }, () => createValve(seed, valveIndex++));
    return createProject(seed, projectIndex, valves);
  });
}
