import { afterEach, expect, test, vi } from 'vitest';
import { nextStepsText } from '../../../src/commands/init/next-steps.ts';

const FILES = { config: 'config.json', env: '.env' };

afterEach(() => vi.unstubAllEnvs());

test.each([
  ['exec', 'npx tasmart poll'],
  ['run-script', 'tasmart poll'],
])('the commands are called as this process was: npm_command=%s', (npmCommand, line) => {
  vi.stubEnv('npm_command', npmCommand);
  expect(nextStepsText(FILES)).toContain(`  ${line}\n`);
});

test.skipIf(process.platform === 'win32')('cron would end the command at a bare %', () => {
  expect(nextStepsText({ ...FILES, config: '/srv/50%/config.json' })).toContain('TASMART_HOME=/srv/50\\%');
});
