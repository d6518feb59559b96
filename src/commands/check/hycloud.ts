/** The part of `tasmart check` about HyCloud. */
import type { Logger } from 'pino';
import type { AccountConfig, Config } from '../../config/config.ts';
import { KnownError } from '../../domain/errors.ts';
import type { Target } from '../../domain/target.ts';
import { count } from '../../domain/text.ts';
import { US_PER_HOUR, US_PER_MINUTE, US_PER_SECOND } from '../../domain/time.ts';
import { pointsPathOf, valveLabel, type Valve } from '../../domain/valve.ts';
import type { HyCloud } from '../../hycloud/client.ts';
import { HyCloudError, type HyCloudFailure } from '../../hycloud/errors.ts';
import { inBatches } from '../../polling/batches.ts';
import { fetchLatest } from '../../polling/fetch.ts';
import type { Memory } from '../../polling/memory.ts';
import { resolveTargets } from '../../polling/targets.ts';
import { failed, ok, skipped, warning, type CheckItem } from '../../reporting/check.ts';
import { durationText } from '../../reporting/units.ts';
import { withHyCloud } from '../shared/hycloud.ts';
import { clockItem } from './clock.ts';

/** Shorter than in a run, because somebody waits for the result. */
const TIMEOUT_MS = 15_000;
/** The timeout is extended until this many requests have had their turn at requests_per_second. */
const MIN_REQUESTS = 10;
const REQUEST_TIMEOUT_SECONDS = 10;
/** In a large fleet, at most this many valves are tried. */
const MAX_VALVES = 100;
const VALVE_CLOCK_TOLERANCE_US = 5 * US_PER_MINUTE;
/** A valve counts the seconds from 2000-01-01 on. */
const VALVE_EPOCH_S = 946_684_800;
const NAMES_SHOWN = 5;

/** Checks HyCloud, the credentials, our clock against its `Date`, the targets, and what their valves send. */
export async function checkHyCloud(
  config: Config,
  account: AccountConfig,
  memory: Memory,
  signal: AbortSignal,
  log: Logger,
): Promise<CheckItem[]> {
  const requestTimeoutSeconds = Math.min(config.requestTimeoutSeconds, REQUEST_TIMEOUT_SECONDS);
  const spacingMs = 1000 / config.requestsPerSecond;
  const endMs = performance.now() + Math.max(TIMEOUT_MS, MIN_REQUESTS * spacingMs);
  const limits = { signal, deadlineMs: () => endMs };
  return withHyCloud(account.hycloud, { ...config, requestTimeoutSeconds }, limits, log, async (hycloud) => {
    const { apiKey, requesterId } = account.hycloud.variables;
    const refusal = await refusalItems(hycloud, account);
    const localUs = Date.now() * 1000; // right after an answer, for serverTimeUs() is HyCloud's clock at the last one
    if (refusal) return [...refusal, skipped('targets, valves', 'not tried: HyCloud has to answer first')];
    const answered = [
      ok('HyCloud', `${account.server} answers`),
      ok('credentials', `${apiKey} and ${requesterId} accepted`),
      clockItem('clock of this machine', {
        clock: 'ours',
        other: "HyCloud's",
        aheadUs: localUs - hycloud.serverTimeUs(),
        remedy: 'set it by NTP; runs go by HyCloud’s clock, times in logs by this one',
      }),
    ];
    const { items, valves } = await checkTargets(hycloud, account.targets, memory);
    const tried = valves.slice(0, valvesInTime(endMs - performance.now(), spacingMs));
    return [...answered, ...items, ...(await valveItems(hycloud, tried, valves.length, config.maxConcurrency))];
  });
}

/** How many valves get their turn in the time that is left, less one as a reserve. At least one. */
export function valvesInTime(leftMs: number, spacingMs: number): number {
  return Math.min(MAX_VALVES, Math.max(1, Math.floor(leftMs / spacingMs) - 1));
}

/**
 * Finds which credential is refused, or that HyCloud fails. The firmware needs REQUESTER_ID only, projects need API_KEY too.
 * null: HyCloud answers, and accepts both.
 */
async function refusalItems(
  hycloud: HyCloud,
  { server, hycloud: { variables } }: AccountConfig,
): Promise<CheckItem[] | null> {
  const firmwareError = await errorOf(hycloud.latestFirmware());
  const isRequesterRefused = isUnauthorized(firmwareError);
  // After these errors, the second call would fail in the same way.
  const isEnough = isRequesterRefused || isUnreached(firmwareError);
  const error = isEnough ? firmwareError : await errorOf(hycloud.listProjects());
  if (error === null) return null;
  if (error.kind !== 'credentials') return [failed('HyCloud', error.message, error.remedy)];
  let message = error.message;
  if (isRequesterRefused) message = `${variables.requesterId} is refused`;
  else if (firmwareError === null && isUnauthorized(error)) {
    message = `${variables.requesterId} is accepted, ${variables.apiKey} is refused`;
  }
  return [ok('HyCloud', `${server} answers`), failed('credentials', message, error.remedy)];
}

/** Whether HyCloud did not answer: then it will not answer another request either. */
function isUnreached(error: KnownError | null): boolean {
  const failures: readonly HyCloudFailure[] = ['network', 'timeout', 'tls', 'proxy', 'redirect', 'aborted'];
  return error instanceof HyCloudError && failures.includes(error.failure);
}

function isUnauthorized(error: KnownError | null): boolean {
  return error instanceof HyCloudError && error.failure === 'unauthorized';
}

async function checkTargets(
  hycloud: HyCloud,
  targets: readonly Target[],
  memory: Memory,
): Promise<{ items: CheckItem[]; valves: Valve[] }> {
  const items: CheckItem[] = [];
  const valves = new Map<string, Valve>();
  for (const target of targets) {
    try {
      const { projects, problems, warnings } = await resolveTargets(hycloud, [target], { memory });
      for (const valve of projects.flatMap((project) => project.valves)) valves.set(valve.id, valve);
      const found = projects.map((project) => `"${project.name}" (${count(project.valves.length, 'valve')})`);
      items.push(ok('target', found.join(', ')));
      items.push(...problems.map(({ reason, remedy }) => failed('target', reason, remedy)));
      items.push(
        ...warnings.map((seen) => warning('target', seen, 'put the id of the project that is meant into config.json')),
      );
    } catch (error) {
      if (!(error instanceof KnownError)) throw error;
      items.push(failed('target', error.message, error.remedy));
    }
  }
  return { items: items.length > 0 ? items : [skipped('targets', 'none is configured')], valves: [...valves.values()] };
}

interface Probe {
  valve: Valve;
  /** how far the valve's clock is ahead of HyCloud's; null: the valve sent no time */
  clockAheadUs: number | null;
  outcome: 'recent' | 'silent' | { error: KnownError };
}

async function valveItems(
  hycloud: HyCloud,
  valves: readonly Valve[],
  total: number,
  concurrency: number,
): Promise<CheckItem[]> {
  if (total === 0) return [skipped('valves', 'not tried: there is none')];
  const probes: Probe[] = [];
  const batching = { concurrency, maxBatch: MAX_VALVES, lingerMs: 50 };
  const work = (valve: Valve) => probe(hycloud, valve);
  for await (const batch of inBatches(valves, work, batching)) probes.push(...batch);
  return [...pointItems(probes, total), valveClockItem(probes)];
}

async function probe(hycloud: HyCloud, valve: Valve): Promise<Probe> {
  // HyCloud's clock comes from its Date header, which is rounded down to the second.
  const nowUs = hycloud.serverTimeUs() + US_PER_SECOND;
  const window = { valve, fromUs: nowUs - US_PER_HOUR, toUs: nowUs, properties: ['valve_timestamp'] as const };
  try {
    const latest = await fetchLatest(hycloud, window);
    // null: HyCloud ignored the direction or the end.
    if (!latest) throw new HyCloudError('malformed', pointsPathOf(valve), 'points other than asked for');
    const [point] = latest.points;
    const [malformed] = latest.malformed;
    if (malformed) throw new HyCloudError('malformed', pointsPathOf(valve), malformed.reason);
    if (!point) return { valve, clockAheadUs: null, outcome: 'silent' };
    const clockS = point.valveTimestampS;
    const clockAheadUs = clockS === null ? null : (clockS + VALVE_EPOCH_S) * US_PER_SECOND - point.timeUs;
    return { valve, clockAheadUs, outcome: 'recent' };
  } catch (error) {
    if (!(error instanceof KnownError)) throw error;
    return { valve, clockAheadUs: null, outcome: { error } };
  }
}

function pointItems(probes: readonly Probe[], total: number): CheckItem[] {
  const recent = probes.filter(({ outcome }) => outcome === 'recent').length;
  const silent = probes.filter(({ outcome }) => outcome === 'silent');
  const errors = probes.flatMap(({ outcome }) => (typeof outcome === 'object' ? [outcome.error] : []));
  const ofTotal = total > probes.length ? ` (the first of ${total})` : '';
  const seen = `${recent} of ${count(probes.length, 'valve')}${ofTotal} sent points within the hour`;
  const items = [
    silent.length === 0
      ? ok('valves', seen)
      : warning('valves', `${seen}; silent: ${listNames(silent)}`, 'look at their power and network'),
  ];
  const [first] = errors;
  if (first) items.push(failed('valves', `${errors.length} could not be read: ${first.message}`, first.remedy));
  return items;
}

function valveClockItem(probes: readonly Probe[]): CheckItem {
  const name = 'clocks of the valves';
  const withClock = probes.flatMap(({ valve, clockAheadUs }) => (clockAheadUs === null ? [] : { valve, clockAheadUs }));
  if (withClock.length === 0) return skipped(name, 'no valve sends its time');
  withClock.sort((a, b) => Math.abs(b.clockAheadUs) - Math.abs(a.clockAheadUs));
  const wrong = withClock.filter(({ clockAheadUs }) => Math.abs(clockAheadUs) > VALVE_CLOCK_TOLERANCE_US);
  if (wrong.length === 0)
    return ok(name, `at most ${durationText(Math.abs(withClock[0]?.clockAheadUs ?? 0))} from HyCloud's`);
  const worst = wrong.slice(0, NAMES_SHOWN).map(({ valve, clockAheadUs }) => {
    return `${valveLabel(valve)} ${durationText(Math.abs(clockAheadUs))} ${clockAheadUs < 0 ? 'behind' : 'ahead'}`;
  });
  const remedy = 'set the valve’s clock; readings are not affected, they have HyCloud’s time';
  return warning(name, `${wrong.length} of ${count(withClock.length, 'valve')} wrong: ${worst.join(', ')}`, remedy);
}

function listNames(probes: readonly Probe[]): string {
  const shown = probes.slice(0, NAMES_SHOWN).map(({ valve }) => valveLabel(valve));
  return [...shown, ...(probes.length > NAMES_SHOWN ? ['…'] : [])].join(', ');
}

/** null: it succeeded */
async function errorOf(call: Promise<unknown>): Promise<KnownError | null> {
  try {
    await call;
    return null;
  } catch (error) {
    if (error instanceof KnownError) return error;
    throw error;
  }
}
