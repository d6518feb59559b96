import { Agent } from 'node:https';
import axios from 'axios';
import type { Micros } from '../../../src/domain/time.ts';
import { pointsQuery } from '../request.ts';

/** The CPU that JSON.parse alone takes for pages of points: fetched one after the other, only the parsing is counted. */

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
  points: number;
  megabytes: number;
}

const task = JSON.parse(process.argv[2] ?? '{}') as ParseTask;
const httpsAgent = new Agent({ keepAlive: true, maxSockets: 1 });
const parsed: Parsed = { cpuMs: 0, points: 0, megabytes: 0 };
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
  const { user, system } = process.cpuUsage(before);
  parsed.cpuMs += (user + system) / 1000;
  parsed.points += points.length;
  parsed.megabytes += data.length / 1e6;
}
httpsAgent.destroy();
console.log(JSON.stringify(parsed));
