import type { Reading, PropertyName } from '../domain/reading.ts';
import type { Micros } from '../domain/time.ts';
import { pointsPathOf, type Valve } from '../domain/valve.ts';
import type { HyCloud, PointsPage } from '../hycloud/client.ts';
import { HyCloudError } from '../hycloud/errors.ts';

export const PAGE_LIMIT = 2000;
/** What a server that ignores `limit` sends. */
const DEFAULT_LIMIT = 240;
/**
 * Whether HyCloud's `from` and `to` are inclusive, and how finely it compares them, is not said. So a window is asked
 * for a millisecond wider on both sides and cut to size here.
 */
const EDGE_US = 1000;

/** The points in (fromUs, toUs] of one valve. */
export interface Window {
  valve: Valve;
  fromUs: Micros;
  toUs: Micros;
  properties: readonly PropertyName[];
}

/** Points of a window up to `coveredUntilUs`, and what was wrong with others. */
export interface Slice {
  points: readonly Reading[];
  malformed: PointsPage['malformed'];
  serverTimeUs: Micros;
  coveredUntilUs: Micros;
}

/**
 * The newest point of a window, by one request of one point; null where the answer cannot be trusted to hold it
 * (HyCloud ignored the direction or the end, or a point lies just behind the end): then fetchRange can.
 */
export async function fetchLatest(hycloud: HyCloud, window: Window): Promise<Slice | null> {
  const query = { ...wide(window), limit: 1, direction: 'descending' } as const;
  const { points, malformed, sort, serverTimeUs } = await hycloud.getPoints(window.valve, query);
  const ignored = sort !== null && sort !== 'descending';
  if (ignored || points.some(({ timeUs }) => timeUs > window.toUs)) return null;
  const newest = pointsIn(points, window.fromUs, window.toUs).slice(-1);
  return { points: newest, malformed, serverTimeUs, coveredUntilUs: window.toUs };
}

/**
 * Every point of a window, oldest first, a request per page. Paging goes by time: each page begins
 * where the last ended, so points that arrive meanwhile shift nothing. Every round moves on, so it always ends.
 *
 * @throws HyCloudError, `malformed` also where HyCloud's pages do not move on
 */
export async function* fetchRange(hycloud: HyCloud, window: Window): AsyncGenerator<Slice> {
  let cursorUs = window.fromUs;
  while (cursorUs < window.toUs) {
    const rest = { ...window, fromUs: cursorUs };
    const query = { ...wide(rest), limit: PAGE_LIMIT, direction: 'ascending' } as const;
    const slice = sliceOf(await hycloud.getPoints(window.valve, query), rest);
    cursorUs = slice.coveredUntilUs;
    yield slice;
  }
}

/** What a page holds of the window that it was asked for. */
function sliceOf(page: PointsPage, window: Window): Slice {
  const { fromUs, toUs } = window;
  const endUs = isFull(page) ? endOfPage(page, window) : toUs;
  const points = pointsIn(page.points, fromUs, endUs);
  const malformed = page.malformed.filter(({ timeUs }) => !isOfOtherPage(timeUs, endUs, window));
  return { points, malformed, serverTimeUs: page.serverTimeUs, coveredUntilUs: endUs };
}

function wide({ fromUs, toUs, properties }: Window): {
  fromUs: Micros;
  toUs: Micros;
  properties: readonly PropertyName[];
} {
  return { fromUs: fromUs - EDGE_US, toUs: toUs + EDGE_US, properties };
}

/** The points in (fromUs, toUs], by time. */
function pointsIn(points: readonly Reading[], fromUs: Micros, toUs: Micros): Reading[] {
  return points.filter(({ timeUs }) => timeUs > fromUs && timeUs <= toUs).sort((a, b) => a.timeUs - b.timeUs);
}

/** Whether there may be more behind it: it holds what we, HyCloud's echo, or HyCloud's default allow. */
function isFull({ points, malformed, limit }: PointsPage): boolean {
  const size = points.length + malformed.length;
  return size >= Math.min(PAGE_LIMIT, limit ?? PAGE_LIMIT) || size === DEFAULT_LIMIT;
}

/** A malformed point that the page before has brought, or the next one will. */
function isOfOtherPage(timeUs: Micros | null, endUs: Micros, { fromUs, toUs }: Window): boolean {
  return timeUs !== null && (timeUs <= fromUs || (timeUs > endUs && timeUs <= toUs));
}

/**
 * How far a full page reaches: to before its last instant, of which the next page may hold more points. It is the
 * oldest part of its window only if HyCloud sorted it as asked.
 */
function endOfPage({ points, malformed, sort }: PointsPage, { valve, fromUs, toUs }: Window): Micros {
  const times = points.map(({ timeUs }) => timeUs);
  // Where the good points do not lead on, there are only the malformed ones to go by, unless their time is nonsense too.
  const malformedTimes = malformed.flatMap(({ timeUs }) => (timeUs === null || timeUs > toUs ? [] : [timeUs]));
  const leading = [times, malformedTimes].find((some) => (some.at(-1) ?? fromUs) - 1 > fromUs);
  const asAsked = sort === null || sort === 'ascending';
  if (!leading || !asAsked || !isSorted(times) || !isSorted(leading)) {
    throw new HyCloudError('malformed', pointsPathOf(valve), 'a page of points is not sorted or cut as asked for');
  }
  return Math.min((leading.at(-1) ?? toUs) - 1, toUs);
}

function isSorted(times: readonly Micros[]): boolean {
  let lastUs = -Infinity;
  for (const timeUs of times) {
    if (timeUs < lastUs) return false;
    lastUs = timeUs;
  }
  return true;
}
