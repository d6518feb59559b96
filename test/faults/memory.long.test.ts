import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Fault } from '../../scripts/simulator/faults.ts';
import { openSite, PROMPT_MS, type Run, type Site } from './support/hycloud-site.ts';

/** What a hostile body may cost above a normal run. */
const ALLOWED_MB = 100;
/** What one within the bounds may cost: measured 140 to 240 MB, and 690 MB where every item was decoded. */
const PARSED_MB = 400;

/** The program leaves a note of its peak as it ends: VmHWM, which begins anew with the program, unlike ru_maxrss. */
const NOTE_PEAK = `
  import { readFileSync, writeFileSync } from 'node:fs';
  process.on('exit', () => writeFileSync(process.env.PEAK_FILE, /VmHWM:\\s*(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]));
`;

const filled = (text: string, unit: string, megabytes: number): Fault => ({
  kind: 'body',
  text: text.replace('…', () =>
    Array<string>(Math.floor((megabytes * 1e6) / (unit.length + 1)))
      .fill(unit)
      .join(','),
  ),
});

describe.runIf(process.platform === 'linux')('peak memory', () => {
  let site: Site;
  let folder: string;
  let normalMb: number;

  async function measured(fault?: Fault, path = /./): Promise<Run & { peakMb: number }> {
    const file = join(folder, 'peak');
    site.hycloud.faults.clear();
    if (fault) site.hycloud.faults.add({ match: { path }, fault });
    // Valves alone: the list of projects is asked for as well as each project.
    const config = { target_project_id: undefined, target_valves: site.valves.map(({ id }) => id) };
    const run = await site.run({ env: { PEAK_FILE: file }, preload: NOTE_PEAK, config });
    return { ...run, peakMb: Number(await readFile(file, 'utf8')) / 1024 };
  }

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tasmart-memory-'));
    const config = { max_concurrency: 8 };
    site = await openSite({ valves: 8, config });
    normalMb = (await measured()).peakMb;
  });

  afterAll(async () => {
    await site.close();
    await rm(folder, { recursive: true });
  });

  const points = /data\/points/;
  const list = /projects$/;
  const project = /projects\/./;
  // Where the valves are known already, the list of projects only adds hints.
  const HINTS_MISSING = [0, 69];

  test.each([
    ['a gzip bomb from every valve', points, { kind: 'gzipBomb' }],
    ['a gzip bomb at the lookup', list, { kind: 'gzipBomb' }],
    ['an endless body from every valve', points, { kind: 'endless' }],
    ['an endless body at the lookup', list, { kind: 'endless' }],
    ['points without end', points, filled('{"points":[…]}', '{}', 2.4)],
    ['as many points as are looked at', points, filled('{"points":[…]}', '{"a":""}', 0.5)],
    ['long numbers without end', points, filled('{"points":[…]}', '1234567890123456789012345', 2.4)],
    ['as many long numbers as are looked at', points, filled('{"points":[…]}', '1234567890123456', 1.1)],
    ['brackets without end', points, { kind: 'body', text: '['.repeat(2.4e6) }],
    ['valves without end', project, filled('{"id":"a","name":"b","tasmarts":[…]}', '{}', 23)],
    ['an endless name', project, { kind: 'body', text: `{"id":"a","name":"${'x'.repeat(23e6)}","tasmarts":[{}]}` }],
    ['projects without end', list, filled('[…]', '{}', 23)],
    ['an endless number', points, { kind: 'body', text: `{"points":[{"measured_flow":${'1'.repeat(2.4e6)}}]}` }],
  ] as [string, RegExp, Fault][])('%s', async (_name, path, fault) => {
    const { peakMb, code, ms } = await measured(fault, path);
    expect(code).toBeOneOf(path === list ? HINTS_MISSING : [2, 69, 78]);
    expect(peakMb - normalMb).toBeLessThan(ALLOWED_MB);
    expect(ms).toBeLessThan(PROMPT_MS);
  });

  // These bodies are within the bounds on bytes, so they are parsed. JSON.parse alone takes more than ALLOWED_MB for some.
  test.each([
    ['tiny points', points, filled('{"points":[…]}', '{}', 1.45)],
    ['long numbers', points, filled('{"points":[…]}', '1234567890123456789012345', 1.45)],
    ['brackets', points, { kind: 'body', text: '['.repeat(1.45e6) }],
    ['tiny valves', project, filled('{"id":"a","name":"b","tasmarts":[…]}', '{}', 5.8)],
    ['tiny projects', list, filled('[…]', '{}', 5.8)],
  ] as [string, RegExp, Fault][])('just below the bound: %s', async (_name, path, fault) => {
    const { peakMb, code, ms } = await measured(fault, path);
    expect(code).toBeOneOf(path === list ? HINTS_MISSING : [69]);
    expect(peakMb - normalMb).toBeLessThan(PARSED_MB);
    expect(ms).toBeLessThan(PROMPT_MS);
  });
});
