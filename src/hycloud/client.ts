import { setMaxListeners } from 'node:events';
import type { PropertyName, Reading } from '../domain/reading.ts';
import { formatRfc3339, type Micros } from '../domain/time.ts';
import { pointsPathOf, type Project, type ProjectSummary, type Valve } from '../domain/valve.ts';
import { HyCloudError } from './errors.ts';
import { createPacer, type Timing } from './pacer.ts';
import { readPlainPage } from './plain.ts';
import {
  decodePoint,
  mayHoldMore,
  parseJson,
  pointShape,
  pointsOf,
  type MalformedPoint,
  type Points,
} from './points.ts';
import { withRetry } from './retry.ts';
import { createTransport, type Answer, type Query, type TransportOptions } from './transport.ts';
import { decodeProject, decodeProjects, firmwareAnswer, pointsAnswer } from './wire.ts';

/**
 * How large an answer may be, unpacked and, where it is parsed, as a tree of values; a small text can be a large tree.
 * 2000 points of every property take about 1 MB and 30 000 values, a listed valve 0.6 kB and 10 values.
 */
interface Bounds {
  bytes: number;
  values: number;
}

const POINTS_BOUNDS: Bounds = { bytes: 2.5e6, values: 120_000 };
const LIST_BOUNDS: Bounds = { bytes: 24e6, values: 500_000 };

/** Some 200 points; up to there, to parse all of them takes no longer. */
const SMALL_PAGE_BYTES = 30_000;

export interface HyCloudOptions extends TransportOptions, Timing {
  requestsPerSecond: number;
  /** milliseconds on `now`'s clock, after which no retry begins */
  deadlineMs: () => number;
  signal: AbortSignal;
  random: () => number;
  /** this machine's clock, where HyCloud sends no Date */
  clockUs: () => Micros;
  onRetry: (error: HyCloudError, waitMs: number) => void;
}

export interface PointsQuery {
  fromUs: Micros;
  toUs: Micros;
  limit: number;
  direction: 'ascending' | 'descending';
  properties: readonly PropertyName[];
}

/** What HyCloud answered, in its order. Whether `from` and `to` were inclusive is not known. */
export interface PointsPage {
  points: Points;
  malformed: readonly MalformedPoint[];
  /** the direction it says it used, if it says */
  sort: string | null;
  /** the limit it says it used, if it says */
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
  /** What `use` makes of a page, at once: in a promise, its thousands of points would outlive many a collection. */
  getPoints: <T>(
    valve: Pick<Valve, 'id' | 'pointsPath'>,
    query: PointsQuery,
    use: (page: PointsPage) => T,
  ) => Promise<T>;
  /** version of the newest firmware */
  latestFirmware: () => Promise<string>;
  /** HyCloud's clock as its last answer gave it; ours until it has answered */
  serverTimeUs: () => Micros;
  stats: Readonly<HyCloudStats>;
  close: () => void;
}

/** The thin IMI client: a function per endpoint. Every one throws HyCloudError and nothing else it could foresee. */
export function createHyCloud(options: HyCloudOptions): HyCloud {
  // Every call under way listens to it; that many are no leak.
  setMaxListeners(0, options.signal);
  const transport = createTransport(options);
  const pacer = createPacer(options);
  const basePath = new URL(options.baseUrl).pathname;
  const stats: HyCloudStats = { requests: 0, retries: 0 };
  let lastServerTimeUs: Micros | null = null;
  let refusal: HyCloudError | null = null;

  async function get(path: string, query: Query, maxBytes: number): Promise<Answer> {
    const retry = {
      ...options,
      pacer,
      onRetry: (error: HyCloudError, waitMs: number) => {
        stats.retries += 1;
        options.onRetry(error, waitMs);
      },
    };
    const answer = await withRetry(() => call(path, query, maxBytes), path, retry);
    lastServerTimeUs = answer.serverTimeUs ?? options.clockUs();
    return answer;
  }

  async function call(path: string, query: Query, maxBytes: number): Promise<Answer> {
    // Refused credentials stay refused: a call that still waited for its turn is not made any more.
    if (refusal) throw refusal;
    stats.requests += 1;
    try {
      return await transport.get(path, query, maxBytes, options.signal);
    } catch (error) {
      if (error instanceof HyCloudError && error.failure === 'unauthorized') refusal = error;
      throw error;
    }
  }

  async function getList<T>(path: string, decode: (raw: unknown) => T): Promise<T> {
    const { body } = await get(path, {}, LIST_BOUNDS.bytes);
    return decoded(path, () => decode(JSON.parse(textOf(body, path, LIST_BOUNDS))));
  }

  async function getPoints<T>(
    valve: Pick<Valve, 'id' | 'pointsPath'>,
    query: PointsQuery,
    use: (page: PointsPage) => T,
  ): Promise<T> {
    const path = pointsPathOf(valve);
    const { body, serverTimeUs } = await get(path, wireQuery(query), POINTS_BOUNDS.bytes);
    return use(decoded(path, () => readPage(body, path, query.properties, serverTimeUs ?? options.clockUs())));
  }

  return {
    listProjects: () => getList('projects', decodeProjects),
    getProject: (id) => getList(`projects/${encodeURIComponent(id)}`, (raw) => decodeProject(raw, basePath)),
    latestFirmware: () => getList('firmwares/ta-smart/latest', (raw) => firmwareAnswer.parse(raw).metadata.fw),
    getPoints,
    serverTimeUs: () => lastServerTimeUs ?? options.clockUs(),
    stats,
    close: transport.close,
  };
}

/** @throws HyCloudError where the answer cannot be decoded */
function decoded<T>(path: string, decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    if (error instanceof HyCloudError) throw error;
    // A decoder's error quotes the body, and with it whatever it holds.
    throw new HyCloudError('malformed', path, 'the answer has not the shape that the API promises');
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

function readPage(body: Buffer, path: string, properties: readonly PropertyName[], serverTimeUs: Micros): PointsPage {
  const plain = body.length > SMALL_PAGE_BYTES ? readPlainPage(body, properties, serverTimeUs) : null;
  const answer = pointsAnswer.parse(parseJson(plain?.envelope ?? textOf(body, path, POINTS_BOUNDS)));
  const [points, malformed] = plain ? [plain.points, []] : decodePoints(answer.points, properties, serverTimeUs);
  return { points, malformed, sort: answer.sort ?? null, limit: answer.limit ?? null, serverTimeUs };
}

function decodePoints(
  raws: readonly unknown[],
  properties: readonly PropertyName[],
  serverTimeUs: Micros,
): [Points, MalformedPoint[]] {
  const readings: Reading[] = [];
  const malformed: MalformedPoint[] = [];
  const shape = pointShape(properties, serverTimeUs);
  for (const raw of raws) {
    const point = decodePoint(shape, raw);
    if ('reason' in point) malformed.push(point);
    else readings.push(point);
  }
  return [pointsOf(readings), malformed];
}

/** @throws HyCloudError where it may hold more values than there can be */
function textOf(body: Buffer, path: string, { values }: Bounds): string {
  const text = body.toString();
  // With what parts it from the next, a value takes two characters; so of most texts nothing need be counted.
  if (text.length >= 2 * values && mayHoldMore(text, values)) {
    throw new HyCloudError('too-large', path, `the answer holds more than ${values} values`);
  }
  return text;
}
