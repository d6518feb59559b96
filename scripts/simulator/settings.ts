import type { Micros } from '../../src/domain/time.ts';

/**
 * How a point's time is written. The vendor's document shows `micros` and `nanos` (with +00:00), live answers have been
 * seen with whole seconds: `short` leaves a fraction of zero out.
 */
export type TimeFormat = 'micros' | 'short' | 'nanos';

/** What HyCloud leaves open or may change, to be switched at any time. */
export interface Settings {
  /** of a user who may see every project */
  apiKey: string;
  /** of other users: by key, the ids of the projects that each may see */
  otherKeys: Readonly<Record<string, readonly string[]>>;
  requesterId: string;
  /** how long every answer takes */
  latencyMs: number;
  /** from how many bytes on a body is compressed, for those who accept it; Infinity: never */
  gzipFromBytes: number;
  /** whether the bounds of a window belong to it; the API does not say */
  inclusive: { from: boolean; to: boolean };
  timeFormat: TimeFormat | ((timeUs: Micros) => TimeFormat);
  /** the document spells the key of a problem's type both ways */
  problemTypeKey: 'type' | 'type_uri';
  /** the document names the answer's field both ways */
  positionKey: 'position' | 'actuator_position';
  /** requests served in any second; those beyond get a 429 */
  rateLimit: { perSecond: number; retryAfter: 'seconds' | 'date' | 'absent' } | null;
  /** how many requests the log remembers */
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
