import { execFile, execFileSync } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { runCli } from '../support/cli.ts';

const scripts = {
  bash: (await runCli(['completion', 'bash'])).stdout,
  zsh: (await runCli(['completion', 'zsh'])).stdout,
  fish: (await runCli(['completion', 'fish'])).stdout,
};

function isHere(shell: string): boolean {
  try {
    execFileSync(shell, ['-c', 'true']);
    return true;
  } catch {
    return false;
  }
}

async function output(shell: string, args: readonly string[]): Promise<string[]> {
  return (await promisify(execFile)(shell, args)).stdout.split('\n').filter((line) => line !== '');
}

/** A line whose last word, which may be empty, is completed. */
const CASES: [string, string[]][] = [
  ['tasmart st', ['status']],
  ['tasmart m', ['migrate']],
  ['tasmart backfill --f', ['--from']],
  ['tasmart --config config.json completion ', ['bash', 'zsh', 'fish']],
  ['tasmart check --format ', ['table', 'json']],
  ['tasmart status --format c', ['csv']],
  ['tasmart --log-level w', ['warn']],
  ['tasmart report --out ', []],
  ['tasmart poll --con', ['--config']],
  ['tasmart --config config.json st', ['status']],
  ['tasmart --dry', ['--dry-run']],
  ['tasmart --format ', ['table', 'json', 'csv']],
  ['tasmart --config config.json --format c', ['csv']],
];

describe.skipIf(!isHere('bash'))('bash', () => {
  test.each(CASES)('%j', async (line, expected) => {
    const words = line.split(' ').map((word) => `'${word}'`);
    const complete = `COMP_WORDS=(${words.join(' ')}); COMP_CWORD=${words.length - 1}; _tasmart; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const found = await output('bash', ['--norc', '-c', `${scripts.bash}\n${complete}`]);
    expect(found.filter((word) => !expected.includes(word) && !word.startsWith('--'))).toEqual([]);
    expect(found).toEqual(expect.arrayContaining(expected));
  });
});

test.skipIf(!isHere('zsh'))('zsh takes it', async () => {
  const load = `autoload -Uz compinit && compinit -D -u\n${scripts.zsh}\nprint $_comps[tasmart]`;
  expect(await output('zsh', ['-f', '-c', load])).toEqual(['_bash_complete -o default -F _tasmart']);
});

describe.skipIf(!isHere('fish'))('fish', () => {
  test.each(CASES)('%j', async (line, expected) => {
    const found = await output('fish', ['--no-config', '-c', `${scripts.fish}\ncomplete -C '${line}'`]);
    expect(found.map((text) => text.split('\t')[0])).toEqual(expect.arrayContaining(expected));
  });
});

test('fish gets every option that takes a file, and --help', () => {
  const fileOptions = [...scripts.fish.matchAll(/ -l (\S+) -r -F /g)].map(([, long]) => long);
  expect([...new Set(fileOptions)].sort()).toEqual(['api-key-file', 'config', 'env-file', 'from', 'out']);
  expect(scripts.fish).toContain('complete -c tasmart -l help ');
});

test('another shell is refused', async () => {
  const { code, stderr } = await runCli(['completion', 'ksh']);
  expect(code).toBe(64);
  expect(stderr).toContain('Allowed choices are bash, zsh, fish');
});
