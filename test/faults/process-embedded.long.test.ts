import { existsSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { expect, test } from 'vitest';
import { openEmbedded } from '../../src/database/embedded.ts';
import { runningServer } from '../../src/database/embedded/postmaster-pid.ts';
import { describeEnd, expectWhole, QUICKLY_MS, setStage, type Stage } from './support/database-stage.ts';
import { until } from '../support/until.ts';

/** A stage whose runs store in an embedded folder of their own. */
async function setEmbeddedStage(): Promise<Stage & { data: string }> {
  const stage = await setStage();
  const data = join(stage.folder, 'data');
  const change = { env: { DATABASE_URL: `embedded:${data}` } };
  return { ...stage, data, run: (args) => stage.run(args, change), start: (args) => stage.start(args, change) };
}

const dataFolderOf = (data: string) => join(data, 'postgresql', 'data');

async function untilStopped(data: string): Promise<void> {
  await until('the server to end', async () => (await runningServer(dataFolderOf(data))) === null);
}

async function expectWholeIn({ data, ...stage }: Stage & { data: string }): Promise<void> {
  const server = await openEmbedded(data);
  const client = new pg.Client({ ...server });
  await client.connect();
  try {
    await expectWhole({ ...stage, client });
  } finally {
    await client.end();
    await server.close();
  }
}

test('a new folder used by two at once: one works, the other exits 75 or finds it done', async ({ annotate }) => {
  const stage = await setEmbeddedStage();
  const results = await Promise.all([stage.run(), stage.run()]);
  await annotate(results.map((result) => describeEnd(result)).join(', '));
  expect([
    [0, 0],
    [0, 75],
  ]).toContainEqual(results.map(({ code }) => code).sort());
  await untilStopped(stage.data);

  // Then one of two is killed: the other goes on, and the next one works too.
  const asked = stage.simulator.log.length;
  stage.simulator.faults.add({ match: { path: /points/ }, fault: { kind: 'silence' }, times: 1 });
  const { child, result } = await stage.start();
  await until('a request for points', () =>
    stage.simulator.log.slice(asked).some(({ path }) => path.includes('points')),
  );
  const second = await stage.start(['backfill', '--from', '2026-03-01T08:00:00Z']);
  child.kill('SIGKILL');
  await result;
  expect((await second.result).code).toBe(0);
  expect((await stage.run()).code).toBe(0);
  await untilStopped(stage.data);
  await expectWholeIn(stage);
});

test('SIGTERM while the folder is made, the server starts or a request waits: 143, and nothing is left running', async ({
  annotate,
}) => {
  const stage = await setEmbeddedStage();
  stage.simulator.faults.add({ fault: { kind: 'silence' } });
  const moments = {
    'while the folder is made': async () => (await readdir(stage.data)).some((name) => name.includes('.new-')),
    'while the server starts': () => existsSync(join(dataFolderOf(stage.data), 'postmaster.pid')),
    'at the first request': () => stage.simulator.log.length > 0,
  };
  await mkdir(stage.data);
  for (const [moment, hasCome] of Object.entries(moments)) {
    const { child, result } = await stage.start();
    await until(moment, hasCome);
    const killedMs = performance.now();
    child.kill('SIGTERM');
    const { code, signal, stderr } = await result;
    const ms = performance.now() - killedMs;
    await annotate(`${moment}: ${String(code ?? signal)} in ${Math.round(ms)} ms`);
    expect({ moment, end: code ?? signal, stderr }).toMatchObject({ moment, end: 143 });
    expect(ms).toBeLessThan(QUICKLY_MS);
    await untilStopped(stage.data);
  }
  stage.simulator.faults.clear();
  expect((await stage.run()).code).toBe(0);
  await expectWholeIn(stage);
});

test('a folder that cannot be made: 78', async () => {
  const stage = await setStage({ valves: 1 });
  await writeFile(join(stage.folder, 'file'), '');
  const result = await stage.run(['poll'], { env: { DATABASE_URL: `embedded:${join(stage.folder, 'file', 'data')}` } });
  expect({ code: result.code, stderr: result.stderr }).toEqual({
    code: 78,
    stderr: expect.stringContaining('choose a folder that you may write') as string,
  });
});
