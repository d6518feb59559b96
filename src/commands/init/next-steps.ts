/** The commands to run after the set-up, as lines that can be copied. */
import { basename, dirname, join, resolve } from 'node:path';
import { quoteForShell } from '../../domain/text.ts';
import { ROOT } from '../shared/package.ts';

export function nextStepsText({ config, env }: { config: string; env: string }): string {
  const fileOptions = [
    ...(config === 'config.json' ? [] : ['--config', config]),
    ...(env === '.env' ? [] : ['--env-file', env]),
  ];
  const tasmart = [...tasmartCommand(), ...fileOptions].map(quoteForShell).join(' ');
  const steps: [line: string, meaning: string][] = [
    [`${tasmart} poll`, 'one run: the newest reading of every valve'],
    [`${tasmart} backfill --from 30d`, 'the last thirty days'],
    [`${tasmart} consumption`, 'kWh per day of the last week'],
    [`${tasmart} report --out report.html`, 'a page to look at'],
  ];
  if (process.platform !== 'win32') {
    steps.push([cronLine(config, fileOptions), 'for "crontab -e": a run every 15 minutes']);
  }
  return `What comes next:\n\n${steps.map(([line, meaning]) => `  ${line}\n      ${meaning}`).join('\n')}\n`;
}

/** How this process was called: with npx; with node; or by its name. */
function tasmartCommand(): string[] {
  if (process.env['npm_command'] === 'exec') return ['npx', 'tasmart'];
  const [, script = ''] = process.argv;
  return basename(script) === 'cli.js' ? ['node', script] : ['tasmart'];
}

/**
 * A line for crontab. cron.sh runs in the folder that holds config.json and .env; it polls if no argument is given. The five
 * seconds are for HyCloud: see scripts/README.md.
 */
function cronLine(config: string, fileOptions: readonly string[]): string {
  const script = join(ROOT, 'scripts', 'cron.sh');
  const home = dirname(resolve(config));
  const settings = home === ROOT ? '' : `TASMART_HOME=${quoteForShell(home)} `;
  const args = fileOptions.map((word) => ` ${quoteForShell(word.startsWith('--') ? word : resolve(word))}`).join('');
  const run = `${settings}${quoteForShell(script)}${args === '' ? '' : `${args} poll`}`;
  return `*/15 * * * * sleep 5; ${run.replaceAll('%', '\\%')}`; // cron ends the command at a bare %
}
