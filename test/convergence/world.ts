/** The simulated HyCloud of a history, and what it has. */
import type { FaultRule, SimulatedRequest } from '../../scripts/simulator/faults.ts';
import { createValve, type SimulatedPoint, type Valve } from '../../scripts/simulator/fleet.ts';
import { pointsIn, readingsIn } from '../../scripts/simulator/history.ts';
import type { Json } from '../../scripts/simulator/json.ts';
import { startSimulator, type Simulator } from '../../scripts/simulator/simulator.ts';
import { PROPERTY_NAMES, type PropertyName, type Reading } from '../../src/domain/reading.ts';
import { parseRfc3339, US_PER_HOUR, US_PER_MINUTE, US_PER_SECOND, type Micros } from '../../src/domain/time.ts';
import type { History, Malformation, Place, Step, StepFault, ValveHistory } from './history.ts';

export const START = Number(parseRfc3339('2026-03-01T10:00:00Z'));
/** When all valves were installed. A valve that is much older has too many points for a test. */
const INSTALLED = START - 40 * US_PER_HOUR;

const PROPERTIES: Record<History['properties'], readonly PropertyName[]> = {
  four: PROPERTY_NAMES.slice(0, 4),
  some: [...PROPERTY_NAMES.slice(0, 4), 'position', 'error_status', 'valve_timestamp'],
  all: PROPERTY_NAMES,
};

export interface World {
  history: History;
  hycloud: Simulator;
  intervalUs: number;
  catchUpUs: number;
  properties: readonly PropertyName[];
  /** all valves of the history, whether a project lists them now or not */
  valves: readonly Valve[];
  /** the valves that the targets select now */
  targeted: () => readonly Valve[];
  /** the last boundary up to an instant */
  floor: (timeUs: Micros) => Micros;
  /** time of the last point in (boundary − interval, boundary] */
  lastPointOf: (valve: Valve, boundaryUs: Micros) => Micros | null;
  /** time of the newest point after `fromUs` up to `toUs` */
  newestPointOf: (valve: Valve, fromUs: Micros, toUs: Micros) => Micros | null;
  /** the points of this very microsecond: there may be several */
  pointsAt: (valve: Valve, timeUs: Micros) => readonly Reading[];
  close: () => Promise<void>;
}

export async function createWorld(history: History): Promise<World> {
  const intervalUs = history.intervalMinutes * US_PER_MINUTE;
  const hycloud = await startSimulator({
    seed: history.seed,
    valves: [0, 0],
    nowUs: START,
    settings: {
      gzipFromBytes: Infinity,
      positionKey: history.seed % 2 ? 'position' : 'actuator_position',
      problemTypeKey: history.seed % 3 ? 'type' : 'type_uri',
    },
  });
  const valves = history.valves.map((spec, index) => valveOf(spec, history.seed, index, intervalUs));
  valves.forEach((valve, index) => place(hycloud, valve, history.valves[index]?.livesIn ?? 'none'));
  /** what lastPointOf returned: the history of a valve does not change */
  const lastPoints = new Map<string, Micros | null>();

  const newestPointOf = (valve: Valve, fromUs: Micros, toUs: Micros): Micros | null => {
    for (const { timeUs } of pointsIn(valve, Math.max(fromUs + 1, INSTALLED), toUs, 'descending')) return timeUs;
    return null;
  };
  return {
    history,
    hycloud,
    intervalUs,
    catchUpUs: history.catchUpHours * US_PER_HOUR,
    properties: PROPERTIES[history.properties],
    valves,
    targeted: () => {
      const projects = history.targets === 'first' ? hycloud.projects.slice(0, 1) : hycloud.projects;
      return valves.filter(({ id }) => projects.some((project) => project.valves.has(id)));
    },
    floor: (timeUs) => Math.floor(timeUs / intervalUs) * intervalUs,
    lastPointOf: (valve, boundaryUs) => {
      const key = `${valve.id} ${boundaryUs}`;
      const cached = lastPoints.get(key);
      if (cached !== undefined) return cached;
      const lastUs = newestPointOf(valve, boundaryUs - intervalUs, boundaryUs);
      lastPoints.set(key, lastUs);
      return lastUs;
    },
    newestPointOf,
    pointsAt: (valve, timeUs) => [...readingsIn(valve, timeUs - 1, timeUs)],
    close: () => hycloud.close(),
  };
}

function valveOf(spec: ValveHistory, seed: number, index: number, intervalUs: number): Valve {
  const at = (minutes: number): Micros => START + minutes * US_PER_MINUTE;
  const stretch = ({ atMin, minutes }: { atMin: number; minutes: number }) => ({
    fromUs: at(atMin),
    toUs: at(atMin + minutes),
  });
  const counter = { new: 0, old: 123_456, huge: 2 ** 53 - 2_000_000 }[spec.counter];
  const extraPoints = spec.extras.flatMap(({ boundary, offsetUs, copies, apartUs }) =>
    Array.from({ length: copies }, (_, copy): SimulatedPoint => ({
      timeUs: START + boundary * intervalUs + offsetUs + copy * apartUs,
      values: { measured_flow: 1000 + copy },
    })),
  );
  return {
    ...createValve(seed, index),
    installedUs: INSTALLED,
    installedKwh: { 1: counter, 2: counter === 0 ? 0 : counter + 1 },
    everyUs: spec.everyS * US_PER_SECOND,
    phaseUs: spec.phaseMs * 1000,
    jitterUs: spec.jitterMs * 1000,
    outages: spec.outages.map(stretch),
    counterJumps: spec.resets.map(({ atMin, kwh, minutes }) => ({
      regime: 1,
      fromUs: at(atMin),
      kwh,
      ...(minutes === null ? {} : { toUs: at(atMin + minutes) }),
    })),
    absences: spec.absences.map(({ property, as, ...during }) => ({ property, as, during: stretch(during) })),
    extraPoints,
  };
}

/** Moves a valve to the project or projects that list it from now on. */
function place({ projects }: Simulator, valve: Valve, where: Place): void {
  const [first, second] = projects;
  first?.valves.delete(valve.id);
  second?.valves.delete(valve.id);
  if (where === 'first' || where === 'both') first?.valves.set(valve.id, valve);
  if (where === 'second' || where === 'both') second?.valves.set(valve.id, valve);
}

/** Moves the clock to the run of a step, and changes HyCloud as the step says. */
export function beginStep({ hycloud, valves, intervalUs, floor }: World, step: Step): void {
  const nowUs = hycloud.clock.now();
  const fromUs = step.boundaries === 0 ? nowUs : floor(nowUs) + step.boundaries * intervalUs;
  hycloud.clock.set(Math.max(nowUs, fromUs + step.offsetUs));
  for (const { valve, to } of step.moves) {
    const moved = valves[valve];
    if (moved) place(hycloud, moved, to);
  }
  hycloud.settings.inclusive = step.inclusive;
  hycloud.settings.timeFormat = step.timeFormat;
}

/** Adds the fault's rule to HyCloud, if the fault is one of HyCloud. `onStruck` is called for each request that gets it. */
export function addHyCloudFault(world: World, fault: StepFault, onStruck: (kind: string) => void): void {
  const { hycloud, valves } = world;
  const addRule = (match: (request: SimulatedRequest) => boolean, rule: Omit<FaultRule, 'match'>, kind: string) => {
    const { after = 0, times = Infinity } = rule;
    let matchedRequests = 0;
    hycloud.faults.add({
      ...rule,
      match: (request) => {
        if (!match(request)) return false;
        if (matchedRequests >= after && matchedRequests < after + times) onStruck(kind);
        matchedRequests += 1;
        return true;
      },
    });
  };
  if (fault.kind === 'http') {
    const { on, after, times, fault: httpFault } = fault;
    const retryAfter = httpFault.kind === 'status' && httpFault.headers ? ' Retry-After' : '';
    const status = httpFault.kind === 'status' ? ` ${httpFault.status}${retryAfter}` : '';
    const kind = `HTTP ${httpFault.kind}${status}`;
    addRule((request) => isConcerned(request, on, valves), { after, times, fault: httpFault }, kind);
  }
  if (fault.kind === 'malformed') {
    const untilUs = hycloud.clock.now() - fault.agoMin * US_PER_MINUTE;
    const fromUs = untilUs - fault.minutes * US_PER_MINUTE;
    const valveId = valves[fault.valve]?.id;
    const spoilInRange = (point: WirePoint | null): Json => {
      // Another fault may have removed the point or its time before.
      const timeUs = parseRfc3339(point?.time ?? '') ?? -Infinity;
      return point && timeUs > fromUs && timeUs <= untilUs + US_PER_SECOND ? spoil(point, fault.how) : point;
    };
    const transform = (answer: { points?: readonly (WirePoint | null)[] }): Json =>
      answer.points ? { ...answer, points: answer.points.map(spoilInRange) } : answer;
    const isOfValve = (request: SimulatedRequest) => request.valveId === valveId;
    addRule(isOfValve, { fault: { kind: 'transform', transform } }, `malformed points: ${fault.how}`);
  }
  if (fault.kind === 'clock') {
    addRule(
      (request) => isConcerned(request, fault.dateless, valves),
      { fault: { kind: 'date', date: null } },
      'no Date',
    );
  }
}

type WirePoint = Readonly<Record<string, Json>> & { readonly time?: string };

/** How far ahead of HyCloud's true time the faults may put the clock that a run goes by. */
export function clockAheadUs(faults: readonly StepFault[]): Micros {
  const aheadUs = faults.map((fault) => {
    if (fault.kind === 'clock') return fault.aheadMin * US_PER_MINUTE;
    return fault.kind === 'http' && fault.fault.kind === 'date' ? Number(fault.fault.date) : 0;
  });
  return Math.max(0, ...aheadUs);
}

/** Whether a fault with this `on` concerns a request. */
function isConcerned(
  { valveId }: SimulatedRequest,
  on: (StepFault & { kind: 'http' })['on'],
  valves: readonly Valve[],
) {
  if (on === 'all') return true;
  if (typeof on === 'number') return valveId !== null && valveId === valves[on]?.id;
  return on === 'projects' ? valveId === null : valveId !== null;
}

/** Makes a point malformed. */
function spoil(point: WirePoint, how: Malformation): Json {
  const { time, ...rest } = point;
  if (how === 'no object') return null;
  if (how === 'no time') return rest;
  if (how === 'bad time') return { ...point, time: time?.replace('T', ' at ') ?? null };
  const value = { text: '15340', fraction: 15.5, 'too large': 2 ** 31 }[how];
  return { ...point, measured_power: value };
}
