/**
 * The least that a poll can cost with axios: makes the same requests over one keep-alive agent, and parses the answers. It
 * does not check, retry or store.
 */
import { Agent } from 'node:https';
import axios from 'axios';

export interface FetchTask {
  baseUrl: string;
  headers: Record<string, string>;
  projectIds: readonly string[];
  /** query string of each request for points */
  query: string;
  concurrency: number;
}

const task = JSON.parse(process.argv[2] ?? '{}') as FetchTask;
const { origin } = new URL(task.baseUrl);
const httpsAgent = new Agent({ keepAlive: true, maxSockets: task.concurrency });
const http = axios.create({ headers: task.headers, httpsAgent, maxRedirects: 0, maxContentLength: 24e6 });

interface Project {
  tasmarts: { href: { datapoints: string } }[];
}

const urls: string[] = [];
for (const id of task.projectIds) {
  const { data } = await http.get<Project>(`${task.baseUrl}projects/${id}`);
  urls.push(...data.tasmarts.map(({ href }) => `${origin}${href.datapoints}?${task.query}`));
}
const queue = urls[Symbol.iterator](); // shared: each loop takes the next address
await Promise.all(
  Array.from({ length: task.concurrency }, async () => {
    for (const url of queue) await http.get(url);
  }),
);
httpsAgent.destroy();
