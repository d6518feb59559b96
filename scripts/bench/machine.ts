/** Describes the machine and the commit of a bench. */
import { execFile } from 'node:child_process';
import { cpus, loadavg } from 'node:os';
import { promisify } from 'node:util';
import { REPOSITORY } from '../../test/support/build.ts';

/** The machine and the commit that were measured. */
export interface Machine {
  cpu: string;
  cores: number;
  /** load average of the minute before the bench began */
  load: number;
  node: string;
  /** ends with `+` if there are uncommitted changes */
  commit: string;
}

export async function describeMachine(): Promise<Machine> {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    load: loadavg()[0] ?? NaN,
    node: process.version,
    commit: await commit().catch(() => 'none'),
  };
}

async function commit(): Promise<string> {
  const git = async (...args: string[]) =>
    (await promisify(execFile)('git', args, { cwd: REPOSITORY, timeout: 10_000 })).stdout.trim();
  const isDirty = (await git('status', '--porcelain')) !== '';
  return `${await git('rev-parse', '--short', 'HEAD')}${isDirty ? '+' : ''}`;
}
