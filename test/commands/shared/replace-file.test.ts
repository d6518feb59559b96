import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createMetrics } from '../../../src/commands/poll/metrics.ts';
import { replaceFile } from '../../../src/commands/shared/replace-file.ts';

let folder: string;
let victim: string;
let file: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tasmart-replace-'));
  victim = join(folder, 'victim');
  file = join(folder, 'tasmart.prom');
  await writeFile(victim, 'secret', { mode: 0o600 });
});

afterEach(() => rm(folder, { recursive: true, force: true }));

async function expectVictimUnharmed() {
  expect(await readFile(victim, 'utf8')).toBe('secret');
  expect((await stat(victim)).mode & 0o777).toBe(0o600);
}

test('metrics are not written through a link planted under the number of the process', async () => {
  await symlink(victim, `${file}.${process.pid}`);
  const log = pino({ level: 'silent' });
  const metrics = createMetrics({ metricsFile: file, shard: null }, false, log);
  const account = { name: '', server: '', keyId: '' };
  const cost = { requests: 1, retries: 0, seconds: 1, lockedRuns: null };
  await metrics.ended?.({
    status: 0,
    summary: null,
    error: null,
    accounts: [{ account, status: 0, report: null, ...cost }],
  });
  await expectVictimUnharmed();
  expect(await readFile(file, 'utf8')).toContain('tasmart_run_exit_status 0');
  expect((await stat(file)).mode & 0o777).toBe(0o644);
});

test('a link in the place of the file is replaced, and its target left as it was', async () => {
  await symlink(victim, file);
  await replaceFile(file, 'new', 0o644);
  await expectVictimUnharmed();
  expect(await readFile(file, 'utf8')).toBe('new');
});

test('the mode holds whatever the umask is', async () => {
  const umask = process.umask(0o077);
  try {
    await replaceFile(file, 'new', 0o644);
  } finally {
    process.umask(umask);
  }
  expect((await stat(file)).mode & 0o777).toBe(0o644);
});

test('a failure leaves nothing behind', async () => {
  await mkdir(file);
  await expect(replaceFile(file, 'new')).rejects.toThrow();
  expect((await readdir(folder)).sort()).toEqual(['tasmart.prom', 'victim']);
});

test('a device is not replaced, nor anything in /dev', async () => {
  const link = join(folder, 'link');
  await symlink('/dev/null', link);
  for (const device of [link, '/dev/tasmart-test']) {
    await expect(replaceFile(device, 'text')).rejects.toMatchObject({ code: 'EINVAL' });
  }
});
