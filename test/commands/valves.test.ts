import { expect, test } from 'vitest';
import { setStage } from '../faults/support/database-stage.ts';
import { logLines } from '../support/cli.ts';

test('a project that cannot be read costs its own valves: 2', async () => {
  const { simulator, run } = await setStage({ valves: [2, 1] });
  const [, forbidden] = simulator.projects;
  simulator.faults.add({
    match: { path: new RegExp(`projects/${forbidden?.id ?? ''}$`) },
    fault: { kind: 'status', status: 403 },
  });
  const { code, stdout, stderr } = await run(['valves', '--format', 'json']);
  expect(code).toBe(2);
  expect((JSON.parse(stdout) as { project_name: string }[]).map((listed) => listed.project_name)).toEqual([
    simulator.projects[0]?.name,
    simulator.projects[0]?.name,
  ]);
  const said = logLines(stderr).map(({ msg }) => msg);
  expect(said).toEqual([expect.stringContaining(`project ${forbidden?.id ?? ''} is not there`)]);
});

test('a valve without an id is told, not left out in silence: 2', async () => {
  const { simulator, run } = await setStage({ valves: 2 });
  const [valve] = simulator.valves();
  simulator.faults.add({
    match: { path: /projects\/.+/ },
    fault: {
      kind: 'transform',
      transform: (answer: { tasmarts: { id: string }[] }) => ({
        ...answer,
        tasmarts: answer.tasmarts.map((listed) => (listed.id === valve?.id ? { ...listed, id: '' } : listed)),
      }),
    },
  });
  const { code, stdout, stderr } = await run(['valves', '--format', 'csv']);
  expect({ code, lines: stdout.trim().split('\n').length }).toEqual({ code: 2, lines: 2 });
  expect(logLines(stderr).map(({ msg }) => msg)).toEqual([
    expect.stringMatching(/^valve no\. \d of project ".*" has no usable id$/),
  ]);
});

test('a project without an id or name is told, not left out in silence', async () => {
  const { simulator, run } = await setStage({ valves: [1, 1] });
  simulator.faults.add({
    match: { path: /projects$/ },
    fault: {
      kind: 'transform',
      transform: ([first, ...others]: { id: string }[]) => [{ ...first, id: '' }, ...others],
    },
  });
  const { code, stdout, stderr } = await run(['projects', '--format', 'json']);
  expect({ code, names: (JSON.parse(stdout) as { name: string }[]).map(({ name }) => name) }).toEqual({
    code: 0,
    names: [simulator.projects[1]?.name],
  });
  expect(logLines(stderr).map(({ msg }) => msg)).toEqual([
    "HyCloud's list of projects: 1 entry without a usable id or name skipped",
  ]);
});

test('a wrong database setting is told; without a database nothing is', async () => {
  const { run } = await setStage();
  const told = async (env: Record<string, string>) => {
    const { code, stderr } = await run(['valves'], { env: { DATABASE_URL: '', ...env } });
    return { code, said: logLines(stderr).map(({ msg }) => msg) };
  };
  expect(await told({})).toEqual({ code: 0, said: [] });
  expect(await told({ DATABASE_URL: 'nonsense' })).toEqual({
    code: 0,
    said: [expect.stringMatching(/^latest readings and links are not shown: .*\n.*DATABASE_URL is neither/) as string],
  });
});
