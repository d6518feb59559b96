import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Valve } from '../../scripts/simulator/fleet.ts';
import { at, flaws, NO_FLAWS, openSite, type Run, type Site } from './support/hycloud-site.ts';

const ESC = '\u001b';

/** Names as a bad day, or a bad neighbour, would give them; what PostgreSQL cannot hold is replaced. */
const NAMES: readonly [what: string, name: string, stored?: string][] = [
  ['quotes', `L'Aquila "Nord" \`x\` \\'`],
  ['SQL', `'); drop table tasmart_data_table; --`],
  ['placeholders', '$1 %s ${name} {{name}}'],
  ['lines', 'first\nsecond\r\nthird\ttab'],
  ['a log line', 'x\n{"level":"fatal","msg":"forged"}\n  → run rm -rf /'],
  ['escapes', `${ESC}[2J${ESC}[31m${ESC}]0;title\u0007\u009b2J\b\b\b`],
  ['NUL', 'before\0after', 'before\uFFFDafter'],
  ['half a pair', 'before\ud83dafter', 'before\uFFFDafter'],
  ['right to left', '\u202egnp.exe\u2066 \u200f'],
  ['tags', '\u{e0041}\u{e007f} zero\u200bwidth\ufeff'],
  ['ten thousand characters', 'Ü'.repeat(10_000)],
  ['a formula', '=HYPERLINK("https://evil.invalid")'],
  ['emoji', '👩‍👩‍👧 Caffè 東京'],
  ['blanks', '   '],
];

/** What could act on a terminal: controls but for line ends, and what turns or hides text. */
const HOSTILE = /[^\P{Cc}\n]|\p{Cf}|[\u2028\u2029]/u;

interface Printed {
  table: Run;
  csv: Run;
  json: Run;
}

describe('names of valves and projects', () => {
  let site: Site;
  let poll: Run;
  const printed = new Map<string, Printed>();

  beforeAll(async () => {
    site = await openSite({ valves: NAMES.map(() => 1), syncedUs: null });
    const { hycloud } = site;
    NAMES.forEach(([, name], index) => {
      const [project, valve] = [hycloud.projects[index], site.valves[index]];
      if (project) project.name = name;
      if (valve) valve.userId = name;
    });
    const config = {
      target_project_id: undefined,
      targets: hycloud.projects.map(({ id }) => ({ project_id: id })),
    };
    poll = await site.run({ config });
    for (const command of ['poll', 'valves', 'projects']) {
      const run = (format: string) => site.run({ config, args: [command, '--format', format] });
      if (command === 'poll') hycloud.clock.set(at('10:46:03'));
      const table = await run('table');
      if (command === 'poll') hycloud.clock.set(at('11:01:03'));
      const csv = await run('csv');
      if (command === 'poll') hycloud.clock.set(at('11:16:03'));
      printed.set(command, { table, csv, json: await run('json') });
    }
  });

  afterAll(() => site.close());

  test('cost no reading', async () => {
    expect(poll.code).toBe(0);
    expect(await flaws(site, { sinceUs: at('10:30:00') })).toEqual(NO_FLAWS);
  });

  test.each(NAMES.map(([what, name, stored = name], index) => ({ what, stored, index })))(
    'with $what are stored as they are',
    async ({ stored, index }) => {
      const [valve, project] = [site.valves[index], site.hycloud.projects[index]];
      const { rows } = await site.client.query(
        `select valve.user_id, project.name from tasmart_valves as valve join tasmart_projects as project using (project_id)
         where tasmart_id = $1 and project_id = $2`,
        [valve?.id, project?.id],
      );
      expect(rows).toEqual([{ user_id: stored.trim() === '' ? null : stored, name: stored }]);
    },
  );

  test.each(['poll', 'valves', 'projects'])('%s prints them harmless as a table, a line each', (command) => {
    const run = printed.get(command)?.table;
    expect({ code: run?.code, hostile: HOSTILE.exec(run?.stdout ?? '') }).toEqual({ code: 0, hostile: null });
    const lines = run?.stdout.split('\n') ?? [];
    const summary = command === 'poll' ? 3 : 1;
    expect(lines.length).toBe(1 + NAMES.length + summary);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(300);
  });

  test.each(['poll', 'valves', 'projects'])('%s prints them harmless as CSV', (command) => {
    const run = printed.get(command)?.csv;
    const text = run?.stdout.replaceAll(/[\t\r]/g, '') ?? '';
    expect({ code: run?.code, hostile: HOSTILE.exec(text) }).toEqual({ code: 0, hostile: null });
    expect(run?.stdout).toContain(`"'=HYPERLINK(""https://evil.invalid"")"`);
    expect(run?.stdout).toContain('\\u{1b}[2J');
  });

  test.each([
    ['poll', 'user_id'],
    ['valves', 'user_id'],
    ['valves', 'project_name'],
    ['projects', 'name'],
  ])('%s prints them whole as JSON (%s)', (command, field) => {
    const run = printed.get(command)?.json;
    expect({ code: run?.code, hostile: HOSTILE.exec(run?.stdout ?? '') }).toEqual({ code: 0, hostile: null });
    const json = JSON.parse(run?.stdout ?? '') as Record<string, unknown>[] | { readings: Record<string, unknown>[] };
    const values = new Set((Array.isArray(json) ? json : json.readings).map((row) => row[field]));
    for (const [, name, stored = name] of NAMES) {
      expect(values).toContain(field === 'user_id' && stored.trim() === '' ? null : stored);
    }
  });

  test('leave the log one JSON object a line, none of them forged', () => {
    for (const run of [poll, ...[...printed.values()].flatMap(({ table, csv, json }) => [table, csv, json])]) {
      const lines = run.stderr.split('\n').filter((line) => line !== '');
      const levels = lines.map((line) => (JSON.parse(line) as { level: string }).level);
      expect(levels.filter((level) => level !== 'info')).toEqual([]);
      expect(HOSTILE.exec(run.stderr)).toBeNull();
    }
  });
});

describe.each(['json', 'pretty'])('messages that quote names, log format %s', (format) => {
  const globals = ['--log-format', format, '--log-level', 'trace'];

  test('of projects that might have been meant', async () => {
    const site = await openSite({ valves: NAMES.map(() => 1) });
    site.hycloud.projects.forEach((project, index) => (project.name = NAMES[index]?.[1] ?? ''));
    const config = { target_project_id: undefined, target_project_name: `nobody ${ESC}[2J` };
    const { code, stderr, stdout } = await site.run({ config, args: [...globals, 'poll'] });
    expect({ code, stdout, hostile: HOSTILE.exec(stderr) }).toEqual({ code: 78, stdout: '', hostile: null });
    expect(stderr).toMatch(/no project is called/);
    expect(stderr.trimEnd().split('\n').length).toBe(format === 'json' ? 1 : 2);
    expect(stderr.length).toBeLessThan(5000);
    await site.close();
  });

  test('of valves that fail', async () => {
    const site = await openSite({ valves: NAMES.length + 1 });
    site.hycloud.faults.add({ fault: { kind: 'status', status: 404 }, match: { path: /points/ }, after: 1 });
    site.valves.forEach((valve: Valve, index) => (valve.userId = NAMES[index]?.[1] ?? 'sound'));
    const { code, stderr } = await site.run({ args: [...globals, 'poll'], config: { max_concurrency: 1 } });
    expect({ code, hostile: HOSTILE.exec(stderr) }).toEqual({ code: 2, hostile: null });
    const lines = stderr.trimEnd().split('\n');
    expect(lines.filter((line) => line.includes('HTTP 404')).length).toBe(NAMES.length);
    expect(lines.length).toBe(NAMES.length + 2);
    await site.close();
  });
});

test('what cannot be an id costs its valve, or its project, alone', async () => {
  const site = await openSite({ valves: 3 });
  const [project] = site.hycloud.projects;
  const ids = [`${ESC}[2J`, 'a b', '..', '\u202e', 'x'.repeat(256), '', "'; drop table tasmart_valves; --"];
  const valve = site.valves[0];
  if (!project || !valve) throw new Error('there is a project with a valve');
  ids.forEach((id) => project.valves.set(id, { ...valve, id }));
  const { code, log, stderr } = await site.run();
  expect({ code, hostile: HOSTILE.exec(stderr) }).toEqual({ code: 2, hostile: null });
  expect(log.filter(({ msg }) => msg.endsWith(' has no usable id')).length).toBe(ids.length);
  expect(await flaws(site)).toEqual(NO_FLAWS);
  await site.close();
});
