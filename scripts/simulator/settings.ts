/** How the simulated HyCloud behaves. */
import type { Micros } from '../../src/domain/time.ts';

/**
 * How a point's time is written. The vendor's document shows `micros` and `nanos` (with +00:00). Live answers also had whole
 * seconds: `short` omits a fraction of zero.
 */
export type TimeFormat = 'micros' | 'short' | 'nanos';

/** Behaviour that HyCloud's document leaves open, or that may change. A test may change a setting at any time. */
export interface Settings {
  /** of a user who may see every project */
  apiKey: string;
  /** of other users: by key, the ids of the projects that each may see */
  otherKeys: Readonly<Record<string, readonly string[]>>;
  requesterId: string;
  /** how long every answer takes */
  latencyMs: number;
  /** compresses larger bodies, if the client accepts gzip; Infinity: never */
  gzipFromBytes: number;
  /** whether a window includes its bounds; the document does not say */
  inclusive: { from: boolean; to: boolean };
  timeFormat: TimeFormat | ((timeUs: Micros) => TimeFormat);
  /** the document uses both names for the type of a problem */
  problemTypeKey: 'type' | 'type_uri';
  /** the document uses both names for this field */
  positionKey: 'position' | 'actuator_position';
  /** requests served in any second; further ones get a 429 */
  rateLimit: { perSecond: number; retryAfter: 'seconds' | 'date' | 'absent' } | null;
  /** how many requests the log keeps */
  logLength: number;
}

export function defaultSettings(): Settings {
  return {
    apiKey: 'simulated-api-key',
    otherKeys: {},
    requesterId: 'simulated-requester-id',
    latencyMs: 0,
    gzipFromBytes: 1024,
    inclusive: { from: true, to: true },
    timeFormat: 'micros',
    problemTypeKey: 'type',
    positionKey: 'position',
    rateLimit: null,
    logLength: 10_000,
  };
}
