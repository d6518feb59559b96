/** What goes into the judge, and what comes out. */
import type { Micros, Span } from '../domain/time.ts';

/** One reading of one counter of a valve. A null or negative counter is not a reading: the caller leaves it out. */
export interface CounterReading {
  timeUs: Micros;
  /** Whole kWh. */
  counterKwh: number;
  /** As measured, of either sign. The judge takes its absolute value and cuts it at `maxPowerKw`. */
  powerKw: number | null;
}

export interface Limits {
  /** Time between two readings. A step longer than 1.5 intervals is an outage. */
  intervalUs: Micros;
  /** No valve passes more. */
  maxPowerKw: number;
}

/** An operator's word. `exclude` hides the readings of `[fromUs, toUs)`. `replaced` forces a break at `atUs`. */
export type Correction = { kind: 'exclude'; fromUs: Micros; toUs: Micros } | { kind: 'replaced'; atUs: Micros };

/** Worst first. A quarter of an hour has the worst that applies. */
export const QUALITIES = ['missing', 'provisional', 'reset', 'jump', 'estimated', 'measured'] as const;
export type Quality = (typeof QUALITIES)[number];

export interface QuarterHour {
  /** An edge of a quarter of an hour in UTC. */
  startUs: Micros;
  /** Whole 10⁻⁶ kWh. Null where there is no curve. */
  microKwh: number | null;
  /** 0 to 900: how much of it lies between readings at most 1.5 intervals apart. */
  coveredSeconds: number;
  quality: Quality;
}

export interface CounterEvent {
  kind: 'gap' | 'glitch' | 'reset' | 'jump' | 'undecided' | 'excluded' | 'replaced';
  /** The last accepted reading before. */
  fromUs: Micros;
  /** The reading that ends it. For `undecided`: the newest reading. */
  toUs: Micros;
  fromKwh: number | null;
  toKwh: number | null;
  /** The reading that was not believed: the first one of a glitch, or of an undecided end. */
  strayKwh: number | null;
  /** What the curve adds across it. */
  countedMicroKwh: number | null;
}

/** The level: the last accepted value, and when it was first reached. */
export interface Level {
  kwh: number;
  sinceUs: Micros;
  /** The last accepted reading, which may be up to 2 kWh lower. */
  acceptedUs: Micros;
}

/** The part of a quarter of an hour that ends at a certain instant. */
export interface QuarterPart {
  microKwh: number;
  coveredUs: number;
  quality: Quality;
}

/** The readings of this span show that the valve passes `kw`: an envelope whose window holds the span is at least that. */
export interface Shown {
  kw: number;
  sinceUs: Micros;
  untilUs: Micros;
}

/**
 * Where to go on from: the last accepted reading before which every verdict is final, as long as no reading up to
 * `newestUs` changes. Plain data, to be kept as JSON.
 */
export interface Checkpoint {
  /** The newest reading seen. A change at or before this instant makes the checkpoint worthless. */
  newestUs: Micros;
  /** The next run supplies the readings from here on, this instant included. */
  readingsFromUs: Micros;
  /** The last accepted readings, oldest first: the newest one and up to four that may have to be gone back to. */
  levels: (Level & { quarterAtRise: QuarterPart })[];
  /** The quarter of an hour of the newest level's last accepted reading, up to that reading. */
  quarterAtEnd: QuarterPart;
  /** This run drew a rise from the newest level that may yet be taken back: the next run draws from that level again. */
  redrawsRise: boolean;
  /** Glitches since the oldest of these levels was reached: they mark quarters that may be drawn again. */
  glitches: Span[];
  shown: Shown;
}

export const REGIMES = [1, 2] as const;
export type Regime = (typeof REGIMES)[number];

/**
 * Where the judge of each counter of a valve goes on from. A counter without any reading has no entry. Null: the newest
 * step may yet be taken back, so the next run begins at an older state.
 */
export type JudgeState = Partial<Record<Regime, Checkpoint | null>>;
