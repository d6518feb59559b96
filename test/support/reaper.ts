/**
 * A process of its own that outlives the test run, even after Ctrl-C or SIGKILL. It stops the servers that run in the given
 * folder, and removes the folder. temporary-folder.ts starts it. Its standard input ends when the run ends.
 */
import { readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { exists } from '../../src/database/embedded/files.ts';
import { runningServer } from '../../src/database/embedded/postmaster-pid.ts';

const [folder = ''] = process.argv.slice(2);
const ending = await text(process.stdin);
// A killed run did not wait for its programs: they may still be starting servers.
if (ending !== 'orderly') await sleep(3_000);
await reap();

async function reap(): Promise<void> {
  for (let attempt = 0; attempt < 100 && (await exists(folder)); attempt++) {
    await stopServers().catch(() => undefined);
    await rm(folder, { recursive: true, force: true }).catch(() => undefined);
    await sleep(20);
  }
}

async function stopServers(): Promise<void> {
  const names = await readdir(folder, { recursive: true });
  for (const name of names.filter((path) => basename(path) === 'postmaster.pid')) {
    const server = await runningServer(dirname(join(folder, name)));
    if (server && server.pid > 0) process.kill(server.pid, 'SIGQUIT');
  }
}
