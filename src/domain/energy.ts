/** What goes into the judge (energy/judge.ts), and what comes out. */
import { US_PER_MINUTE, type Micros, type Span } from './time.ts';

/** One reading of one counter of a valve. A null or negative counter is not a reading: the caller leaves it out. */
export interface CounterReading {
  timeUs: Micros;
  /** Whole kWh. */
  counterKwh: number;
  /** As measured, of either sign. The judge takes its absolute value and cuts it at `maxPowerKw`. */
  powerKw: number | null;
}

export interface Limits {
  /** The configured time between two readings. A longer step may be an outage: see `isOutage`. */
  intervalUs: Micros;
  /** The configured `max_power_kw`: no valve passes more. */
  maxPowerKw: number;
}

/** Entered by an operator. `exclude` hides the readings of `[fromUs, toUs)`. `replaced` forces a break at `atUs`. */
export type Correction = { kind: 'exclude'; fromUs: Micros; toUs: Micros } | { kind: 'replaced'; atUs: Micros };

/** Worst first. A quarter of an hour has the worst that applies. SQL has the same order: sql/definitions/consumption.sql. */
export const QUALITIES = ['missing', 'provisional', 'reset', 'jump', 'estimated', 'measured'] as const;
export type Quality = (typeof QUALITIES)[number];

/** Micro-kWh, 10⁻⁶ kWh: the curve is kept in whole ones, so that sums are exact. */
export const MICRO_PER_KWH = 1_000_000;

export const QUARTER_HOUR_US = 15 * US_PER_MINUTE;

/** A quarter of an hour of the curve. So its quality is never `missing`. */
export interface QuarterHour {
  /** An edge of a quarter of an hour in UTC. */
  startUs: Micros;
  microKwh: number;
  /** 0 to 900: how much of it lies between readings at most 1.5 intervals apart. */
  coveredSeconds: number;
  quality: Quality;
}

export interface CounterEvent {
  kind: 'gap' | 'glitch' | 'reset' | 'jump' | 'undecided' | 'excluded' | 'replaced';
  /** The last accepted reading before the event. */
  fromUs: Micros;
  /** The accepted reading that ends the event. For `undecided`: the newest reading. */
  toUs: Micros;
  /** The level before the event. */
  fromKwh: number;
  /** The level after the event. For `undecided`: the newest reading's counter. */
  toKwh: number;
  /** The first counter that is not accepted, of a glitch or of an undecided end. Null for other events. */
  strayKwh: number | null;
  /**
   * Of a break (reset, jump, replaced), what the curve adds across it. Of others, the rise of the level: the curve spreads it
   * from the rise before.
   */
  countedMicroKwh: number;
}

/** The level: the highest accepted counter since the last break, if nothing is taken back as a glitch. */
export interface Level {
  kwh: number;
  /** When the level was first reached. */
  sinceUs: Micros;
  /** The last accepted reading. Its counter may be up to 2 kWh below the level. */
  acceptedUs: Micros;
}

/** What the curve has added from the start of a quarter of an hour up to some instant in it. */
export interface QuarterPart {
  microKwh: number;
  coveredUs: number;
  quality: Quality;
}

/**
 * The readings from `sinceUs` to `untilUs` show that the valve can pass `kw`. An envelope is at least `kw` if its window holds
 * that span.
 */
export interface ShownPower {
  kw: number;
  sinceUs: Micros;
  untilUs: Micros;
}

/**
 * Where the judge goes on from: an accepted reading. All verdicts up to this reading are final, unless a reading up to
 * `newestUs` changes. Stored as JSON: a renamed field needs a migration.
 */
export interface Checkpoint {
  /** The newest reading that the run has seen. A change at or before this instant makes the checkpoint useless. */
  newestUs: Micros;
  /** The next run supplies the readings from here on, this instant included. */
  readingsFromUs: Micros;
  /** The levels of the last accepted readings, oldest first: the newest, and up to four that a fall may go back to. */
  levels: (Level & { quarterAtRise: QuarterPart })[];
  /** The quarter of an hour of the newest accepted reading, up to that reading. */
  quarterAtEnd: QuarterPart;
  /**
   * The run drew a rise after the newest of `levels`, and this rise is not final. So the next run draws the curve again
   * from when that level was reached.
   */
  redrawsRise: boolean;
  /** The glitches since the oldest of `levels` was reached. If the curve is drawn again, their quarters are `estimated`. */
  glitches: Span[];
  /** The next run begins with it: most rises are allowed by it, without older readings. */
  shown: ShownPower;
}

export const REGIMES = [1, 2] as const;
export type Regime = (typeof REGIMES)[number];

/**
 * The checkpoint of each counter of a valve. A counter that had no reading has no entry: it begins from scratch. Null: the
 * counter has readings, but no checkpoint was possible, so the next run begins at an older state, or from scratch.
 */
export type JudgeState = Partial<Record<Regime, Checkpoint | null>>;
