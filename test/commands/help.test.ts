import { describe, expect, test } from 'vitest';
import { runCli } from '../support/cli.ts';

const { stdout: HELP } = await runCli(['--help']);
const COMMANDS = [...HELP.matchAll(/^ {2}([a-z]+) (?:\[options\] |<|\[|  )/gm)]
  .map(([, name = '']) => name)
  .filter((name) => !['help', 'tasmart'].includes(name));

test('the help lists the commands, and has examples', () => {
  expect(COMMANDS).toEqual(expect.arrayContaining(['poll', 'backfill', 'status', 'migrate', 'completion']));
  expect(HELP).toContain('\nExamples:\n  tasmart');
});

test.each(COMMANDS)('%s --help has examples of it, and the global options', async (name) => {
  const { code, stdout } = await runCli([name, '--help']);
  expect(code).toBe(0);
  expect(stdout).toMatch(new RegExp(`\nExamples:\n(?:  .*\\b${name}\\b.*\n(?: {6}.*\n)?)+$`));
  expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
  expect(stdout).toContain('--env-file <file>');
});

describe('a mistake', () => {
  test.each([
    [['pol'], 'there is no command "pol"\n(did you mean "tasmart poll"?)'],
    [['pol', '--from', '7d'], 'there is no command "pol"\n(did you mean "tasmart poll"?)'],
    [['Status', '--format', 'json'], 'there is no command "Status"\n(did you mean "tasmart status"?)'],
    [['consumtion', '--from=7d'], 'there is no command "consumtion"\n(did you mean "tasmart consumption"?)'],
    [['help', 'pol'], 'there is no command "pol"\n(did you mean "tasmart poll"?)'],
    [['xyzzy'], 'there is no command "xyzzy"\n(run "tasmart --help"'],
    [['backfill', '--form', '7d'], `unknown option '--form'\n(Did you mean --from?)\n(run "tasmart backfill --help"`],
    [['backfill'], 'missing --from <time>\n'],
    [['poll', 'all'], `too many arguments for 'poll'`],
    [['--fast'], `unknown option '--fast'`],
  ])('%j', async (args, expected) => {
    const { code, stdout, stderr } = await runCli(args);
    expect({ code, stdout }).toEqual({ code: 64, stdout: '' });
    expect(stderr.startsWith(`error: ${expected}`) ? expected : stderr).toBe(expected);
  });
});
