/** Asks HyCloud for the points of one valve in a window: the newest point, or all of them. */
import type { Reading, PropertyName } from '../domain/reading.ts';
import { US_PER_MINUTE, type Micros } from '../domain/time.ts';
import { pointsPathOf, type Valve } from '../domain/valve.ts';
import type { HyCloud, PointsPage } from '../hycloud/client.ts';
import { HyCloudError } from '../hycloud/errors.ts';

export const PAGE_LIMIT = 2000;
/** The size of a page if the server ignores `limit`. */
const DEFAULT_LIMIT = 240;
/**
 * HyCloud does not document whether `from` and `to` are inclusive, or how exactly it compares them. So ask for a window
 * that is a millisecond wider on both sides, and drop the points outside here.
 */
const EDGE_US = 1000;
/**
 * A valve sends a point every 15 s. If a page's last point is this long before the window's end, either the valve was off or
 * HyCloud has cut the page short. One more request, from that point on, tells which.
 */
const QUIET_US = 2 * US_PER_MINUTE;

/** The points in (fromUs, toUs] of one valve. */
export interface Window {
  valve: Valve;
  fromUs: Micros;
  toUs: Micros;
  properties: readonly PropertyName[];
}

/** What one request gets of a window. */
export interface Slice {
  /** by time: all points up to `coveredUntilUs`; from `fetchLatest`, only the newest of the window */
  points: readonly Reading[];
  malformed: PointsPage['malformed'];
  /** HyCloud's clock at the answer */
  serverTimeUs: Micros;
  coveredUntilUs: Micros;
}

/**
 * Fetches the newest point of a window with a request for one point. null: use fetchRange instead, because this point may
 * not be the newest of the window. HyCloud ignored the direction or the end, or the point lies within EDGE_US after the end.
 * If the newest point is malformed, `points` is empty, though there may be older ones.
 */
export async function fetchLatest(hycloud: HyCloud, window: Window): Promise<Slice | null> {
  const query = { ...widenWindow(window), limit: 1, direction: 'descending' } as const;
  const { points, malformed, sort, serverTimeUs } = await hycloud.getPoints(window.valve, query);
  const isOtherDirection = sort !== null && sort !== 'descending';
  if (isOtherDirection || points.some(({ timeUs }) => timeUs > window.toUs)) return null;
  const newest = pointsIn(points, window.fromUs, window.toUs).slice(-1);
  return { points: newest, malformed, serverTimeUs, coveredUntilUs: window.toUs };
}

/**
 * Fetches every point of a window, oldest first, one request per page. Each page begins at the time where the last one
 * ended, so points that arrive meanwhile shift nothing.
 *
 * @throws HyCloudError `malformed` also if a page would not advance: so the loop always ends
 */
export async function* fetchRange(hycloud: HyCloud, window: Window): AsyncGenerator<Slice, void> {
  let cursorUs = window.fromUs;
  while (cursorUs < window.toUs) {
    const remaining = { ...window, fromUs: cursorUs };
    const query = { ...widenWindow(remaining), limit: PAGE_LIMIT, direction: 'ascending' } as const;
    const slice = sliceOf(await hycloud.getPoints(window.valve, query), remaining);
    cursorUs = slice.coveredUntilUs;
    yield slice;
  }
}

/** The part of the window that a page covers: up to the page's end if more points may follow it, else the whole window. */
function sliceOf(page: PointsPage, window: Window): Slice {
  const { fromUs } = window;
  const endUs = isFull(page) ? endOfPage(page, window) : endOfShortPage(page, window);
  const points = pointsIn(page.points, fromUs, endUs);
  const malformed = page.malformed.filter(({ timeUs }) => !isOfOtherPage(timeUs, endUs, window));
  return { points, malformed, serverTimeUs: page.serverTimeUs, coveredUntilUs: endUs };
}

/** The window for the request, wider by EDGE_US on both sides. */
function widenWindow({ fromUs, toUs, properties }: Window): Omit<Window, 'valve'> {
  return { fromUs: fromUs - EDGE_US, toUs: toUs + EDGE_US, properties };
}

/** The points in (fromUs, toUs], by time. */
function pointsIn(points: readonly Reading[], fromUs: Micros, toUs: Micros): Reading[] {
  return points.filter(({ timeUs }) => timeUs > fromUs && timeUs <= toUs).sort((a, b) => a.timeUs - b.timeUs);
}

/** Whether more points may follow this page: its size is our limit, the limit in HyCloud's answer, or HyCloud's default. */
function isFull({ points, malformed, limit }: PointsPage): boolean {
  const size = points.length + malformed.length;
  return size >= Math.min(PAGE_LIMIT, limit ?? PAGE_LIMIT) || size === DEFAULT_LIMIT;
}

/** A page that is not full covers its whole window, unless HyCloud may have cut it short: see QUIET_US. */
function endOfShortPage({ points }: PointsPage, { fromUs, toUs }: Window): Micros {
  const lastUs = pointsIn(points, fromUs, toUs).at(-1)?.timeUs ?? toUs;
  // The page before ended just before this same point: no point follows it.
  const isAlone = lastUs - 1 <= fromUs;
  return isAlone || lastUs >= toUs - QUIET_US ? toUs : lastUs - 1;
}

/** Whether the previous page had this malformed point, or the next one will have it. If not, this page reports it. */
function isOfOtherPage(timeUs: Micros | null, endUs: Micros, { fromUs, toUs }: Window): boolean {
  return timeUs !== null && (timeUs <= fromUs || (timeUs > endUs && timeUs <= toUs));
}

/**
 * How far a full page covers its window: until just before its last point, because the next page may have more points of
 * the same instant. This is only true if HyCloud sorted the page as asked.
 *
 * @throws HyCloudError `malformed` if the page is not sorted, or does not advance
 */
function endOfPage({ points, malformed, sort }: PointsPage, { valve, fromUs, toUs }: Window): Micros {
  const endOf = (times: readonly Micros[]) => (times.at(-1) ?? fromUs) - 1;
  const validTimes = points.map(({ timeUs }) => timeUs);
  // If the valid points do not advance, use the times of malformed points, except times after the window.
  const malformedTimes = malformed
    .map(({ timeUs }) => timeUs)
    .filter((timeUs) => timeUs !== null)
    .filter((timeUs) => timeUs <= toUs);
  const times = endOf(validTimes) > fromUs ? validTimes : malformedTimes;
  const isAscending = (sort === null || sort === 'ascending') && isSorted(validTimes) && isSorted(times);
  if (!isAscending || endOf(times) <= fromUs) {
    throw new HyCloudError('malformed', pointsPathOf(valve), 'a page of points is not sorted or cut as asked for');
  }
  return Math.min(endOf(times), toUs);
}

function isSorted(times: readonly Micros[]): boolean {
  return times.every((timeUs, i) => timeUs >= (times[i - 1] ?? -Infinity));
}
