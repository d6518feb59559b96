/** Readings, valves and a HyCloud in memory, for the tests of polling. */
import { NO_MEASUREMENTS, type Reading } from '../../src/domain/reading.ts';
import { parseRfc3339, type Micros } from '../../src/domain/time.ts';
import type { Project, Valve } from '../../src/domain/valve.ts';
import type { HyCloud, PointsPage, PointsQuery } from '../../src/hycloud/client.ts';
import { HyCloudError } from '../../src/hycloud/errors.ts';

/** An instant of 2026-03-01, as `10:15` or `10:14:58.535091`. */
export function at(time: string): Micros {
  const timeUs = parseRfc3339(`2026-03-01T${time.length === 5 ? `${time}:00` : time}Z`);
  if (timeUs === null) throw new Error(`no time: ${time}`);
  return timeUs;
}

export function reading(timeUs: Micros, measuredFlowDlh: number | null = null): Reading {
  return { ...NO_MEASUREMENTS, timeUs, measuredFlowDlh };
}

/** Readings at these times of the day. */
export function readings(...times: string[]): Reading[] {
  return times.map((time) => reading(at(time)));
}

export function valveNamed(id: string, more: Partial<Valve> = {}): Valve {
  const unknown = { kind: null, fullSn: null, shortSn: null, cloudIdentifier: null, userId: null, firmware: null };
  return { id, ...unknown, pointsPath: null, ...more };
}

export const VALVE = valveNamed('valve-1');

/** A malformed point: it is served as if it came at `timeUs`, but `dated` says whether its time can be read. */
export interface Nonsense {
  timeUs: Micros;
  dated: boolean;
}

export interface Quirks {
  /** HyCloud's clock at each answer. The last value holds for all further answers. */
  clocksUs: Micros[];
  inclusive: { from: boolean; to: boolean };
  /** times and bounds are rounded down to a multiple of this before they are compared */
  grainUs: number;
  /** an answer has at most this many points, whatever limit is asked for */
  cap: number;
  /** the answer states the sort and limit that were used, those that were asked for, or none */
  echo: 'honest' | 'lying' | 'absent';
  ignores: readonly ('from' | 'to' | 'limit' | 'direction')[];
  nonsense: readonly Nonsense[];
  /** points that arrive while requests are made: those that are there at the n-th request, from 1 */
  arriving: (request: number) => readonly Reading[];
  /** the requests (from 1) that fail, and how */
  failing: Readonly<Record<number, HyCloudError>>;
}

export interface FakeHyCloud extends HyCloud {
  /** the queries so far */
  asked: PointsQuery[];
}

/** A HyCloud with one valve that has these points. Their order does not matter. */
export function fakeHyCloud(points: readonly Reading[], quirks: Partial<Quirks> = {}): FakeHyCloud {
  const asked: PointsQuery[] = [];
  const { clocksUs = [at('23:59:59')], failing = {} } = quirks;
  /** The n-th value at the n-th request, or the last one. Before any request, the first. */
  const clockUs = () => clocksUs.slice(0, Math.max(1, asked.length)).at(-1) ?? 0;
  return {
    asked,
    stats: { requests: 0, retries: 0 },
    serverTimeUs: clockUs,
    listProjects: () => Promise.resolve([]),
    getProject: (id) => Promise.reject(new HyCloudError('not-found', `projects/${id}`, 'HTTP 404', { status: 404 })),
    latestFirmware: () => Promise.resolve('1.0.0'),
    close: () => undefined,
    async getPoints(_valve, query) {
      asked.push(query);
      const failure = failing[asked.length];
      const arrived = quirks.arriving?.(asked.length) ?? [];
      if (failure) throw failure;
      return Promise.resolve(pageOf([...points, ...arrived], query, clockUs(), quirks));
    },
  };
}

function pageOf(
  points: readonly Reading[],
  query: PointsQuery,
  serverTimeUs: Micros,
  quirks: Partial<Quirks>,
): PointsPage {
  const { inclusive = { from: true, to: true }, grainUs = 1, cap = 2000, echo = 'honest', ignores = [] } = quirks;
  const toGrains = (timeUs: Micros) => Math.floor(timeUs / grainUs);
  const [from, to] = [toGrains(query.fromUs), toGrains(query.toUs)];
  const isAsked = ({ timeUs }: { timeUs: Micros }) => {
    const time = toGrains(timeUs);
    const isAfterFrom = inclusive.from ? time >= from : time > from;
    const isBeforeTo = inclusive.to ? time <= to : time < to;
    return (ignores.includes('from') || isAfterFrom) && (ignores.includes('to') || isBeforeTo);
  };
  const direction = ignores.includes('direction') ? 'descending' : query.direction;
  const sign = direction === 'ascending' ? 1 : -1;
  const limit = ignores.includes('limit') ? cap : Math.min(cap, query.limit);
  const page = [...points, ...(quirks.nonsense ?? [])]
    .filter(isAsked)
    .sort((a, b) => sign * (a.timeUs - b.timeUs))
    .slice(0, limit);
  const echoed = {
    honest: { sort: direction, limit },
    lying: { sort: query.direction, limit: query.limit },
    absent: { sort: null, limit: null },
  }[echo];
  return {
    points: page.filter((point) => 'measuredFlowDlh' in point),
    malformed: page
      .filter((point) => 'dated' in point)
      .map(({ timeUs, dated }) => ({ timeUs: dated ? timeUs : null, reason: 'nonsense' })),
    serverTimeUs,
    ...echoed,
  };
}

/** A HyCloud with these projects. Those of `missing` are listed, but `getProject` fails. `calls`: `list`, or a project's id. */
export function fakeProjects(projects: readonly Project[], missing: Readonly<Record<string, HyCloudError>> = {}) {
  const hycloud = fakeHyCloud([]);
  const calls: string[] = [];
  return {
    ...hycloud,
    calls,
    listProjects: () => {
      calls.push('list');
      return Promise.resolve(
        projects.map(({ id, name, valves }) => ({ id, name, valveCount: valves.length, userCount: 1 })),
      );
    },
    getProject: (id: string) => {
      calls.push(id);
      const project = projects.find((candidate) => candidate.id === id);
      if (project && !(id in missing)) return Promise.resolve(project);
      return Promise.reject(
        missing[id] ?? new HyCloudError('not-found', `projects/${id}`, 'HTTP 404', { status: 404 }),
      );
    },
  };
}
