/** The bench's rows about polls: time, CPU, memory, requests and bytes. */
import { MEASURED_PROPERTIES } from '../../src/domain/reading.ts';
import { formatRfc3339, US_PER_MINUTE } from '../../src/domain/time.ts';
import { formatMs, inTurn, median, type Bench, type Sample } from './bench.ts';
import { runNode, runProbed, type Cost } from './child.ts';
import { CONCURRENCY, NOW_US, type Fleet, type Polled } from './fleet.ts';
import type { FetchTask } from './workers/fetch.ts';

/** How long the simulator waits before each answer, in the rows that measure waiting. */
export const LATENCY_MS = 50;

/** Wall time of a poll of 7 valves ÷ that of a Node.js that does nothing. */
export async function pollOverBareNode(bench: Bench): Promise<Sample> {
  const { signal } = bench.stage;
  const { args, env, hycloud } = await bench.fleet(7);
  return wallOverBareNode(signal, 10, async () => {
    await hycloud.steer({ advanceUs: 15 * US_PER_MINUTE, latencyMs: 0 });
    return runNode(args('poll'), signal, { env: env() });
  });
}

/** Peak memory of a poll ÷ that of a poll of 1 000 valves. */
export async function memoryOverThousand(bench: Bench, valves: number): Promise<Sample> {
  const thousandMb = (await bench.polls(1_000, 0, 3)).map(({ peakMb }) => peakMb);
  const [poll] = await bench.polls(valves, 0, 1);
  const peakMb = poll?.peakMb ?? NaN;
  return {
    values: thousandMb.map((thousand) => peakMb / thousand),
    detail: `${peakMb.toFixed(0)} MB over ${median(thousandMb).toFixed(0)} MB`,
  };
}

/** Wall time of `work` ÷ that of a Node.js that does nothing. */
export async function wallOverBareNode(
  signal: AbortSignal,
  count: number,
  work: () => Promise<{ wallMs: number }>,
): Promise<Sample> {
  await work(); // so that its files are in the cache
  const pairs = await inTurn(count, work, () => runNode(['-e', '0'], signal));
  const workMs = pairs.map(([ours]) => ours.wallMs);
  const bareMs = pairs.map(([, bare]) => bare.wallMs);
  return {
    values: pairs.map(([ours, bare]) => ours.wallMs / bare.wallMs),
    detail: `${formatMs(median(workMs))} over ${formatMs(median(bareMs))}`,
  };
}

/** Wall time of a poll ÷ the least that HyCloud's latency and CONCURRENCY allow. The detail compares a bare axios loop. */
export async function wallOverLimit(bench: Bench, valves: number, count: number): Promise<Sample> {
  const polls = await bench.polls(valves, LATENCY_MS, count);
  const limitMs = median(polls.map(({ requests }) => (requests / CONCURRENCY) * LATENCY_MS));
  const fleet = await bench.fleet(valves);
  await fleet.hycloud.steer({ latencyMs: LATENCY_MS });
  const axiosMs: number[] = [];
  while (axiosMs.length < count) axiosMs.push((await axiosLoop(bench, fleet)).wallMs);
  await fleet.hycloud.steer({ latencyMs: 0 });
  const pollMs = polls.map(({ wallMs }) => wallMs);
  const axiosRatio = (median(axiosMs) / limitMs).toFixed(2);
  return {
    values: pollMs.map((wallMs) => wallMs / limitMs),
    detail: `${formatMs(median(pollMs))} over ${formatMs(limitMs)}; a bare axios loop ${axiosRatio}`,
  };
}

/** CPU time of a poll of 10 000 valves ÷ that of `axiosLoop`. */
export async function cpuOverAxios(bench: Bench): Promise<Sample> {
  const valves = 10_000;
  const fleet = await bench.fleet(valves);
  let count = 0;
  /** Polls that another row has made come first. */
  const nextPollMs = async () => {
    count += 1;
    const poll = (await bench.polls(valves, 0, count)).at(-1);
    return poll?.cpuMs ?? NaN;
  };
  const axiosMs = async () => (await axiosLoop(bench, fleet)).cpuMs;
  const pairs = await inTurn(3, nextPollMs, axiosMs);
  const medianPerValve = (totalsMs: number[]) => `${((median(totalsMs) * 1000) / valves).toFixed(0)} µs`;
  const pollPerValve = medianPerValve(pairs.map(([pollMs]) => pollMs));
  const axiosPerValve = medianPerValve(pairs.map(([, loopMs]) => loopMs));
  return {
    values: pairs.map(([pollMs, loopMs]) => pollMs / loopMs),
    detail: `${pollPerValve} over ${axiosPerValve} a valve, at 0 ms latency`,
  };
}

export async function requestsPerPoll(bench: Bench): Promise<Sample> {
  const polls = await bench.polls(1_000, LATENCY_MS, 5);
  return { values: polls.map(({ requests }) => requests), detail: 'counted at the simulator' };
}

/** Fetches the same answers as a poll in step, with axios only. The headers and the query are those of src/hycloud/. */
function axiosLoop({ stage }: Bench, fleet: Fleet): Promise<Cost> {
  const env = fleet.env();
  const query = new URLSearchParams({
    from: formatRfc3339(NOW_US - 15 * US_PER_MINUTE),
    to: formatRfc3339(NOW_US),
    limit: '1',
    direction: 'descending',
  });
  for (const name of MEASURED_PROPERTIES) query.append('properties[]', name);
  const task: FetchTask = {
    baseUrl: env['HYCLOUD_BASE_URL'] ?? '',
    headers: {
      Accept: 'application/json',
      Authorization: `ApiKey ${env['API_KEY'] ?? ''}`,
      'Requester-ID': env['REQUESTER_ID'] ?? '',
      'User-Agent': 'tasmart/bench',
    },
    projectIds: fleet.projects.map(({ id }) => id),
    query: query.toString(),
    concurrency: CONCURRENCY,
  };
  return runProbed([stage.worker('fetch'), JSON.stringify(task)], stage.signal, stage.folder, { env });
}

export async function bytesPerValve(bench: Bench): Promise<Sample> {
  const perValve = (poll: Polled) => poll.bytesReceived / poll.valves;
  const polls = await bench.polls(1_000, LATENCY_MS, 5);
  const fleet = await bench.fleet(1_000);
  const neverGzip = perValve(await fleet.poll(0, { gzipFromBytes: Number.MAX_SAFE_INTEGER })).toFixed(0);
  const gzipFrom1Kb = perValve(await fleet.poll(0, { gzipFromBytes: 1024 })).toFixed(0);
  return {
    values: polls.map(perValve),
    detail: `gzip from 20 bytes on, as nginx does; from 1 kB on ${gzipFrom1Kb}, never ${neverGzip}`,
  };
}
