import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { startSimulator } from '../../scripts/simulator/simulator.ts';
import { exists } from '../../src/database/embedded/files.ts';
import { REPOSITORY } from '../support/build.ts';
import { freshDatabase } from '../support/database.ts';

/** A stage of the Dockerfile: its instructions, as words. */
type Stage = string[][];

async function readStages(): Promise<Stage[]> {
  const lines = (await readFile(join(REPOSITORY, 'Dockerfile'), 'utf8')).split('\n');
  const instructions = lines.filter((line) => /^[A-Z]/.test(line)).map((line) => line.split(/\s+/));
  const starts = instructions.flatMap(([word], index) => (word === 'FROM' ? [index] : []));
  return starts.map((start, stage) => instructions.slice(start, starts[stage + 1]));
}

function copies(stage: Stage): { from: string | null; sources: string[]; target: string }[] {
  return stage
    .filter(([word]) => word === 'COPY')
    .map((words) => {
      const from = words.find((word) => word.startsWith('--from='))?.slice('--from='.length) ?? null;
      const paths = words.slice(1).filter((word) => !word.startsWith('--'));
      return { from, sources: paths.slice(0, -1), target: paths.at(-1) ?? '' };
    });
}

function instruction(stage: Stage, word: string): string {
  return (stage.find(([first]) => first === word) ?? []).slice(1).join(' ');
}

test('everything that the Dockerfile copies is there and not ignored, and nothing else is sent', async () => {
  const stages = await readStages();
  const sources = stages.flatMap(copies).filter(({ from }) => from === null);
  const copied = [...new Set(sources.flatMap((copy) => copy.sources))].sort();
  for (const source of copied) expect(await exists(join(REPOSITORY, source)), source).toBe(true);
  const ignore = (await readFile(join(REPOSITORY, '.dockerignore'), 'utf8')).split('\n');
  const rules = ignore.filter((line) => line !== '' && !line.startsWith('#'));
  expect(rules[0]).toBe('*');
  expect(
    rules
      .slice(1)
      .map((rule) => rule.slice(1))
      .sort(),
  ).toEqual(copied);
});

test('what the build stage holds is enough to build', async () => {
  const [build = []] = await readStages();
  const root = await mkdtemp(join(tmpdir(), 'tasmart-build-'));
  try {
    for (const { sources, target } of copies(build)) {
      for (const source of sources) {
        const place = target === './' ? join(root, source) : join(root, target);
        await cp(join(REPOSITORY, source), place, { recursive: true });
      }
    }
    await symlink(join(REPOSITORY, 'node_modules'), join(root, 'node_modules'), 'dir');
    const runs = build.filter(([word]) => word === 'RUN').map((words) => words.slice(1).join(' '));
    expect(runs).toEqual(['npm ci --ignore-scripts', 'npm run build']);
    await promisify(execFile)('npm', ['run', 'build'], { cwd: root });
    expect(await exists(join(root, 'dist', 'cli.js'))).toBe(true);
  } finally {
    await rm(root, { recursive: true });
  }
});

test('what the image holds is enough to poll, without node_modules', async () => {
  const image = (await readStages()).at(-1) ?? [];
  const root = await mkdtemp(join(tmpdir(), 'tasmart-image-'));
  const simulator = await startSimulator({ valves: 3 });
  const database = await freshDatabase();
  try {
    for (const { from, sources, target } of copies(image)) {
      for (const source of sources) {
        const origin = join(REPOSITORY, from === 'build' ? basename(source) : source);
        const place = target.endsWith('/') ? join(target, basename(source)) : target;
        await cp(origin, join(root, place), { recursive: true });
      }
    }
    const workFolder = join(root, instruction(image, 'WORKDIR'));
    await mkdir(workFolder, { recursive: true });
    await writeFile(
      join(workFolder, 'config.json'),
      JSON.stringify({ target_project_name: simulator.projects[0]?.name }),
    );
    const words = (name: string) => JSON.parse(instruction(image, name)) as string[];
    const [node, ...args] = [...words('ENTRYPOINT'), ...words('CMD')];
    const inRoot = args.map((arg) => (arg.startsWith('/') ? join(root, arg) : arg));
    const { stdout } = await promisify(execFile)(
      node === 'node' ? process.execPath : '',
      [...inRoot, '--format', 'json'],
      {
        cwd: workFolder,
        env: { ...simulator.env(), DATABASE_URL: database.url },
      },
    );
    expect(JSON.parse(stdout)).toMatchObject({ run: { outcome: 'success', stored: 3 } });
    expect(await exists(join(root, 'opt', 'tasmart', 'node_modules'))).toBe(false);
  } finally {
    await simulator.close();
    await database.drop();
    await rm(root, { recursive: true });
  }
});

test('the program in the image runs as another user than root', async () => {
  const image = (await readStages()).at(-1) ?? [];
  expect(instruction(image, 'USER')).toBe('node');
  expect(dirname(instruction(image, 'WORKDIR'))).toBe('/etc');
});
