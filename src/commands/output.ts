/** What goes to stdout. */
import { once } from 'node:events';
import { shown, type Screen } from '../reporting/screen.ts';
import { screenOf } from './terminal.ts';

/** Writes to stdout, at the pace of a slow reader; one that is gone needs no waiting for. */
export async function write(text: string): Promise<void> {
  if (text === '' || process.stdout.write(text)) return;
  await once(process.stdout, 'drain').catch(() => undefined);
}

/** Where stdout is read. */
export function stdoutScreen(): Screen {
  return screenOf(process.stdout, process.env);
}

/** Text for people: as `write`, and fit for their terminal. */
export async function show(text: string, screen = stdoutScreen()): Promise<void> {
  await write(shown(text, screen));
}
