import { Agent } from 'node:https';
import axios from 'axios';
import type { Micros } from '../../../src/domain/time.ts';
import { pointsQuery } from '../request.ts';

/**
 * The CPU that JSON.parse alone takes for pages of points, fetched one after the other; and apart from it what all else
 * takes, which is axios as it comes.
 */

export interface ParseTask {
  headers: Record<string, string>;
  pointsUrl: string;
  fromUs: Micros;
  toUs: Micros;
  /** the span that one answer holds */
  pageUs: Micros;
}

export interface Parsed {
  cpuMs: number;
  /** this whole process without the parsing */
  fetchCpuMs: number;
  points: number;
}

const task = JSON.parse(process.argv[2] ?? '{}') as ParseTask;
const httpsAgent = new Agent({ keepAlive: true, maxSockets: 1 });
const parsed: Parsed = { cpuMs: 0, fetchCpuMs: 0, points: 0 };
for (let fromUs = task.fromUs; fromUs < task.toUs; fromUs += task.pageUs) {
  const query = pointsQuery(fromUs - 1000, Math.min(task.toUs, fromUs + task.pageUs) + 1000, 2000, 'ascending');
  const { data } = await axios.get<string>(`${task.pointsUrl}?${query}`, {
    headers: task.headers,
    httpsAgent,
    maxRedirects: 0,
    responseType: 'text',
    transformResponse: (body: unknown) => body,
  });
  const before = process.cpuUsage();
  const { points } = JSON.parse(data) as { points: unknown[] };
  parsed.cpuMs += milliseconds(process.cpuUsage(before));
  parsed.points += points.length;
}
httpsAgent.destroy();
parsed.fetchCpuMs = milliseconds(process.cpuUsage()) - parsed.cpuMs;
console.log(JSON.stringify(parsed));

function milliseconds({ user, system }: NodeJS.CpuUsage): number {
  return (user + system) / 1000;
}
