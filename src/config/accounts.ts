/** Groups the targets by account, and reads each account's credentials from the environment. */
import { createHash } from 'node:crypto';
import type { AccountConfig, HyCloudConfig, Problem } from './config.ts';
import { accountVariable, parseHyCloud, type Environment } from './environment.ts';
import type { AccountTarget } from './file.ts';

/** Without targets, returns the unnamed account: commands such as `projects` need no target. */
export function parseAccounts(
  targets: readonly AccountTarget[],
  env: Environment,
  problems: Problem[],
): AccountConfig[] {
  const names = [...new Set(targets.map(({ account }) => account))];
  reportSharedVariables(names, problems);
  const accounts = (names.length > 0 ? names : ['']).map((name) => {
    const hycloud = parseHyCloud(name, env, problems);
    return {
      name,
      server: hycloud.baseUrl,
      keyId: keyIdOf(hycloud),
      targets: targets
        .filter(({ account }) => account === name)
        .map(({ projectId, projectName, valves }) => ({ projectId, projectName, valves })),
      hycloud,
    };
  });
  reportSharedKeys(accounts, problems);
  return accounts;
}

function reportSharedVariables(names: readonly string[], problems: Problem[]): void {
  for (const [index, name] of names.entries()) {
    const variable = accountVariable('API_KEY', name);
    const other = names.slice(0, index).find((earlier) => accountVariable('API_KEY', earlier) === variable);
    if (other === undefined) continue;
    const message = `name the accounts "${other}" and "${name}", which would share ${variable}: rename one`;
    problems.push({ key: 'targets', message, section: null });
  }
}

/** Two accounts with one key would call too fast: each account has its own pace, but HyCloud limits the key. */
function reportSharedKeys(accounts: readonly AccountConfig[], problems: Problem[]): void {
  for (const [index, { keyId, hycloud }] of accounts.entries()) {
    const earlier = accounts.slice(0, index).find((other) => keyId !== '' && other.keyId === keyId);
    const variable = hycloud.variables.apiKey;
    const otherVariable = earlier?.hycloud.variables.apiKey;
    // Accounts that share a variable are reported by reportSharedVariables.
    if (otherVariable === undefined || otherVariable === variable) continue;
    const message = `is the key in ${otherVariable} too: name one account in both their targets, for HyCloud limits each key`;
    problems.push({ key: variable, message, section: 'hycloud' });
  }
}

/** Identifies the server and key in the database: half a SHA-256, from which the key cannot be computed. '': no key is set. */
function keyIdOf({ baseUrl, apiKey }: HyCloudConfig): string {
  if (apiKey === '') return '';
  return createHash('sha256').update(`${baseUrl}\n${apiKey}`).digest('hex').slice(0, 32);
}
