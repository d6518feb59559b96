/** The simulated HyCloud's endpoints. */
import type { PropertyName } from '../../src/domain/reading.ts';
import { formatRfc3339, type Micros } from '../../src/domain/time.ts';
import type { Clock } from './clock.ts';
import {
  distortAnswer,
  distortText,
  faultOf,
  misreadQuery,
  type Fault,
  type FaultOf,
  type SimulatedRequest,
} from './faults.ts';
import type { SimulatedPoint, Project, Valve } from './fleet.ts';
import { pointsIn, valuesOf } from './history.ts';
import type { Json } from './json.ts';
import { InvalidQuery, parsePointsQuery, type PointsQuery } from './query.ts';
import type { Settings } from './settings.ts';

export const BASE_PATH = '/api/v1/';

const POINTS_PATH = /^\/api\/v1\/ta-smart\/([^/]+)\/data\/points$/;
const PROJECT_PATH = /^\/api\/v1\/projects\/([^/]+)$/;

export interface Firmware {
  download_link: string;
  metadata: Record<string, string>;
}

/** The data of the simulated HyCloud. */
export interface World {
  readonly clock: Clock;
  readonly settings: Settings;
  readonly projects: Project[];
  readonly firmware: Firmware;
}

export interface Reply {
  status: number;
  headers: Record<string, string>;
  text: string;
}

export function findValve(projects: readonly Project[], valveId: string): Valve | undefined {
  return projects.find(({ valves }) => valves.has(valveId))?.valves.get(valveId);
}

/** The valve whose points this path asks for. */
export function valveIdOf(path: string): string | null {
  return POINTS_PATH.exec(path)?.[1] ?? null;
}

// The API note does not describe 403, 405 and 429: their types are guesses.
const PROBLEM_TYPES: Record<number, [type: string, title: string]> = {
  400: ['api/v1/invalid-query', 'Invalid query'],
  401: ['api/v1/unauthorized', 'Unauthorized'],
  403: ['api/v1/unauthorized', 'Forbidden'],
  404: ['api/v1/not-found', 'Not found'],
  405: ['api/v1/invalid-query', 'Method not allowed'],
  429: ['api/v1/too-many-requests', 'Too many requests'],
};

function problemReply({ problemTypeKey }: Settings, status: number, details: string, headers = {}): Reply {
  const [type, title] = PROBLEM_TYPES[status] ?? ['api/v1/server-error', 'Server error'];
  return {
    status,
    headers: { 'content-type': 'application/problem+json', ...headers },
    text: JSON.stringify({ status, [problemTypeKey]: type, title, details }),
  };
}

/** The 429 of a limit per key, which the vendor has announced but not described. */
export function tooManyRequests({ settings, clock }: World): Reply {
  const inASecond = new Date(clock.now() / 1000 + 1000).toUTCString();
  const headers = {
    seconds: { 'retry-after': '1' },
    date: { 'retry-after': inASecond },
    absent: {},
  }[settings.rateLimit?.retryAfter ?? 'absent'];
  return problemReply(settings, 429, 'slow down', headers);
}

function formatTime({ timeFormat }: Settings, timeUs: Micros): string {
  const micros = formatRfc3339(timeUs);
  const format = typeof timeFormat === 'function' ? timeFormat(timeUs) : timeFormat;
  if (format === 'nanos') return micros.replace('Z', '000+00:00');
  return format === 'short' ? micros.replace('.000000', '') : micros;
}

/** A point as JSON. A member that is undefined is absent: JSON.stringify omits it. */
function wirePoint(settings: Settings, valve: Valve, point: SimulatedPoint, properties: readonly PropertyName[]): Json {
  const wire: Record<string, Json | undefined> = { time: formatTime(settings, point.timeUs) };
  const values = valuesOf(valve, point, properties);
  for (const property of properties) {
    const key = property === 'position' ? settings.positionKey : property;
    wire[key] = values[property];
  }
  return point.raw ? { ...wire, ...point.raw } : wire;
}

/** The points that a query asks for, up to and including `newestUs`. */
function wirePoints(settings: Settings, valve: Valve, query: PointsQuery, newestUs: Micros): Json[] {
  const firstUs = settings.inclusive.from ? query.fromUs : query.fromUs + 1;
  const lastUs = settings.inclusive.to ? query.toUs : query.toUs - 1;
  const points: Json[] = [];
  let toSkip = query.offset;
  for (const point of pointsIn(valve, firstUs, Math.min(lastUs, newestUs), query.direction)) {
    if (toSkip-- > 0) continue;
    points.push(wirePoint(settings, valve, point, query.properties));
    if (points.length === query.limit) break;
  }
  return points;
}

function pointsAnswer(world: World, valve: Valve, params: URLSearchParams, faults: readonly Fault[]): Json {
  const nowUs = world.clock.now();
  const { served, echoed } = misreadQuery(faults, parsePointsQuery(params, nowUs), nowUs);
  // HyCloud has no points of the future. Only a fault makes some.
  const newestUs = nowUs + (faultOf(faults, 'future')?.aheadUs ?? 0);
  return {
    from: formatRfc3339(echoed.fromUs),
    to: formatRfc3339(echoed.toUs),
    sort: echoed.direction,
    limit: echoed.limit,
    offset: echoed.offset,
    properties: echoed.properties,
    points: wirePoints(world.settings, valve, served, newestUs),
  };
}

function projectSummary(project: Project): Json {
  return {
    id: project.id,
    href: `${BASE_PATH}projects/${project.id}`,
    name: project.name,
    user_count: project.users.length,
    tasmart_count: project.valves.size,
  };
}

function valveDetails(valve: Valve): Json {
  return {
    id: valve.id,
    kind: valve.kind,
    full_sn: valve.fullSn,
    short_sn: valve.shortSn,
    cloud_identifier: `TA-Smart-${valve.shortSn}`,
    user_id: valve.userId,
    fw_version: valve.fwVersion,
    href: { datapoints: `${BASE_PATH}ta-smart/${valve.id}/data/points` },
  };
}

function projectDetails(project: Project): Json {
  return {
    id: project.id,
    name: project.name,
    description: project.description,
    country: 'IT',
    city: project.city,
    zipcode: null,
    address_line_1: null,
    address_line_2: null,
    lat: 45.4642,
    lng: 9.19,
    users: project.users.map(({ email, access }) => ({ email, access })),
    tasmarts: [...project.valves.values()].map(valveDetails),
  };
}

/** The projects that the key of a request may see. */
function visibleProjects({ settings, projects }: World, request: SimulatedRequest): readonly Project[] {
  const ids = settings.otherKeys[keyOf(request)];
  return ids ? projects.filter(({ id }) => ids.includes(id)) : projects;
}

/** The parsed answer to a request, before its text is distorted. Null: not found. */
function answerTo(world: World, request: SimulatedRequest, faults: readonly Fault[]): Json {
  const { path, query, valveId } = request;
  const projects = visibleProjects(world, request);
  if (path === `${BASE_PATH}firmwares/ta-smart/latest`) return { ...world.firmware };
  if (path === `${BASE_PATH}projects`) return projects.map(projectSummary);
  if (valveId !== null) {
    const valve = findValve(projects, valveId);
    return valve ? pointsAnswer(world, valve, query, faults) : null;
  }
  const project = projects.find(({ id }) => id === PROJECT_PATH.exec(path)?.[1]);
  return project ? projectDetails(project) : null;
}

/** Every call needs the company's id, every call for a user's data the user's key as well (API note). */
function isAuthorized({ settings }: World, request: SimulatedRequest): boolean {
  if (request.headers['requester-id'] !== settings.requesterId) return false;
  if (request.path.startsWith(`${BASE_PATH}firmwares/`)) return true;
  return keyOf(request) === settings.apiKey || Object.hasOwn(settings.otherKeys, keyOf(request));
}

function keyOf({ headers }: SimulatedRequest): string {
  return /^ApiKey (.+)$/.exec(String(headers['authorization']))?.[1] ?? '';
}

/** The reply that the API note describes. Faults may distort its data. */
function ordinaryReply(world: World, request: SimulatedRequest, faults: readonly Fault[]): Reply {
  const { settings } = world;
  if (!isAuthorized(world, request)) return problemReply(settings, 401, 'credentials missing or unknown');
  if (request.method !== 'GET') return problemReply(settings, 405, 'only GET', { allow: 'GET' });
  try {
    const answer = answerTo(world, request, faults);
    if (answer === null) return problemReply(settings, 404, `nothing at ${request.path}`);
    const text = distortText(faults, distortAnswer(faults, answer));
    return { status: 200, headers: { 'content-type': 'application/json' }, text };
  } catch (error) {
    if (error instanceof InvalidQuery) return problemReply(settings, 400, error.message);
    throw error;
  }
}

function statusReply(settings: Settings, { status, body = 'problem', headers }: FaultOf<'status'>): Reply {
  if (body === 'problem') return problemReply(settings, status, 'simulated', headers);
  const text = body === 'html' ? `<html><body><h1>${status}</h1></body></html>` : '';
  return { status, headers: { 'content-type': 'text/html', ...headers }, text };
}

/** HyCloud's reply to a request, or that of a fault. */
export function replyTo(world: World, request: SimulatedRequest, faults: readonly Fault[]): Reply {
  const statusFault = faultOf(faults, 'status');
  if (statusFault) return statusReply(world.settings, statusFault);
  const redirect = faultOf(faults, 'redirect');
  if (redirect) return { status: redirect.status ?? 302, headers: { location: redirect.location }, text: '' };
  const body = faultOf(faults, 'body');
  if (body) {
    return { status: 200, headers: { 'content-type': body.contentType ?? 'application/json' }, text: body.text };
  }
  return ordinaryReply(world, request, faults);
}
