/** The HyCloud client: one function per endpoint. */
import { setMaxListeners } from 'node:events';
import { PROPERTIES, type PropertyName, type Reading } from '../domain/reading.ts';
import { formatRfc3339, type Micros } from '../domain/time.ts';
import { pointsPathOf, type Project, type ProjectSummary, type Valve } from '../domain/valve.ts';
import { HyCloudError } from './errors.ts';
import { createPacer, type Timing } from './pacer.ts';
import { decodePoint, type MalformedPoint } from './points.ts';
import { withRetry } from './retry.ts';
import { createTransport, type Answer, type Query, type TransportOptions } from './transport.ts';
import { decodeProject, decodeProjects, firmwareAnswer, pointsAnswer } from './wire.ts';

/**
 * Limits of an answer, packed and unpacked. Parsing a hostile text (nested brackets) can take 60 times its size in memory.
 * A page of 2000 points with every property takes 0.7 MB. The limit leaves the same room again for error statuses.
 */
const MAX_POINTS_BYTES = 1.5e6;
/** A listed valve takes 0.3 to 0.6 kB: this holds 10 000 valves in one project. polling/targets.ts limits how many lists a run reads at once. */
const MAX_LIST_BYTES = 6e6;

export interface HyCloudOptions extends TransportOptions, Timing {
  requestsPerSecond: number;
  /** milliseconds on `now`'s clock; no call waits after this time */
  deadlineMs: () => number;
  signal: AbortSignal;
  random: () => number;
  /** this machine's clock, used if HyCloud sends no Date */
  clockUs: () => Micros;
  onRetry: (error: HyCloudError, waitMs: number) => void;
  /** `count` projects of the list have no usable id or name */
  onSkippedProjects: (count: number) => void;
}

export interface PointsQuery {
  fromUs: Micros;
  toUs: Micros;
  limit: number;
  direction: 'ascending' | 'descending';
  properties: readonly PropertyName[];
}

/** A page of points, in HyCloud's order. May hold points at or just outside `fromUs` and `toUs`, see fetch.ts. */
export interface PointsPage {
  points: readonly Reading[];
  malformed: readonly MalformedPoint[];
  /** the direction that the answer names; null: it names none */
  sort: string | null;
  /** the limit that the answer names; null: it names none */
  limit: number | null;
  serverTimeUs: Micros;
}

export interface HyCloudStats {
  requests: number;
  retries: number;
}

export interface HyCloud {
  /** The projects that the key's user can see. */
  listProjects: () => Promise<ProjectSummary[]>;
  getProject: (id: string) => Promise<Project>;
  /** One page of a valve's history. */
  getPoints: (valve: Pick<Valve, 'id' | 'pointsPath'>, query: PointsQuery) => Promise<PointsPage>;
  /** version of the newest firmware */
  latestFirmware: () => Promise<string>;
  /** HyCloud's clock at its last answer; before that, this machine's clock */
  serverTimeUs: () => Micros;
  stats: Readonly<HyCloudStats>;
  close: () => void;
}

/** Every function throws HyCloudError; anything else is a defect. */
export function createHyCloud(options: HyCloudOptions): HyCloud {
  // Every call in progress listens to the signal. Node would warn of a leak.
  setMaxListeners(0, options.signal);
  const transport = createTransport(options);
  const pacer = createPacer(options);
  const basePath = new URL(options.baseUrl).pathname;
  const stats: HyCloudStats = { requests: 0, retries: 0 };
  let lastServerTimeUs: Micros | null = null;
  let refusal: HyCloudError | null = null;
  let wasAccepted = false;

  const onRetry = (error: HyCloudError, waitMs: number) => {
    stats.retries += 1;
    options.onRetry(error, waitMs);
  };

  async function get(path: string, query: Query, maxBytes: number): Promise<{ json: unknown; serverTimeUs: Micros }> {
    const answer = await withRetry(() => call(path, query, maxBytes), path, { ...options, pacer, onRetry });
    // The firmware needs only the requester's id: its answer does not show that the key is accepted.
    if (!path.startsWith('firmwares/')) wasAccepted = true;
    const serverTimeUs = answer.serverTimeUs ?? options.clockUs();
    lastServerTimeUs = serverTimeUs;
    return { json: answer.json, serverTimeUs };
  }

  /** One attempt. Once the credentials are refused, makes no more calls, not even for callers that already waited for the pacer. */
  async function call(path: string, query: Query, maxBytes: number): Promise<Answer> {
    if (refusal) throw refusal;
    try {
      return await sendAgainIfRefused(path, query, maxBytes);
    } catch (error) {
      if (isRefusal(error)) refusal = error;
      throw error;
    }
  }

  /** Credentials that were accepted before are tried once more, without waiting for the pacer: HyCloud may be wrong once. */
  async function sendAgainIfRefused(path: string, query: Query, maxBytes: number): Promise<Answer> {
    try {
      return await send(path, query, maxBytes);
    } catch (error) {
      if (!isRefusal(error) || !wasAccepted) throw error;
      onRetry(error, 0);
      return send(path, query, maxBytes);
    }
  }

  function send(path: string, query: Query, maxBytes: number): Promise<Answer> {
    stats.requests += 1;
    return transport.get(path, query, maxBytes, options.signal);
  }

  async function getDecoded<T>(path: string, decode: (raw: unknown) => T): Promise<T> {
    const { json } = await get(path, {}, MAX_LIST_BYTES);
    return decodeAnswer(path, () => decode(json));
  }

  async function listProjects(): Promise<ProjectSummary[]> {
    const { projects, skipped } = await getDecoded('projects', decodeProjects);
    if (skipped > 0) options.onSkippedProjects(skipped);
    return projects;
  }

  async function getPoints(valve: Pick<Valve, 'id' | 'pointsPath'>, query: PointsQuery): Promise<PointsPage> {
    const path = pointsPathOf(valve);
    const { json, serverTimeUs } = await get(path, wireQuery(query), MAX_POINTS_BYTES);
    return decodeAnswer(path, () => decodePage(path, json, query.properties, serverTimeUs));
  }

  return {
    listProjects,
    getProject: (id) => getDecoded(`projects/${encodeURIComponent(id)}`, (raw) => decodeProject(raw, basePath)),
    latestFirmware: () => getDecoded('firmwares/ta-smart/latest', (raw) => firmwareAnswer.parse(raw).metadata.fw),
    getPoints,
    serverTimeUs: () => lastServerTimeUs ?? options.clockUs(),
    stats,
    close: transport.close,
  };
}

/** Whether the credentials are refused for every call. Not `forbidden`, which concerns one project or valve. */
function isRefusal(error: unknown): error is HyCloudError {
  return error instanceof HyCloudError && error.failure === 'unauthorized';
}

/** @throws HyCloudError `malformed` if the answer cannot be decoded */
function decodeAnswer<T>(path: string, decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    if (error instanceof HyCloudError) throw error;
    // Drop the decoder's error: it quotes the body.
    throw new HyCloudError('malformed', path, 'the answer does not match the API');
  }
}

function wireQuery(query: PointsQuery): Query {
  return {
    from: formatRfc3339(query.fromUs),
    to: formatRfc3339(query.toUs),
    limit: query.limit,
    direction: query.direction,
    properties: query.properties,
  };
}

/** @throws HyCloudError `malformed` if the answer names other properties, and its points hold none of those asked for */
function decodePage(
  path: string,
  json: unknown,
  properties: readonly PropertyName[],
  serverTimeUs: Micros,
): PointsPage {
  const answer = pointsAnswer.parse(json);
  const points: Reading[] = [];
  const malformed: MalformedPoint[] = [];
  for (const raw of answer.points) {
    const point = decodePoint(raw, properties, serverTimeUs);
    if ('reason' in point) malformed.push(point);
    else points.push(point);
  }
  // Otherwise such points would be stored without values, and never replaced.
  const isNamed = answer.properties?.some((name) => properties.some((asked) => asked === name)) ?? true;
  if (!isNamed && points.length > 0 && points.every((point) => isEmpty(point, properties))) {
    throw new HyCloudError(
      'malformed',
      path,
      'the points hold no property: a proxy may drop properties[] from the URL',
    );
  }
  return { points, malformed, sort: answer.sort ?? null, limit: answer.limit ?? null, serverTimeUs };
}

function isEmpty(point: Reading, properties: readonly PropertyName[]): boolean {
  return properties.every((name) => point[PROPERTIES[name].field] === null);
}
