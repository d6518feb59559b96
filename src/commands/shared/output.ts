/** Writes to stdout. */
import { once } from 'node:events';
import { adaptToScreen, type Screen } from '../../reporting/screen.ts';
import type { OutputFormat } from './context.ts';
import { screenOf } from './terminal.ts';

/** Writes, and waits for a slow reader. Does not wait if stdout has failed: main.ts reports that at the end, so the run goes on. */
export async function write(text: string): Promise<void> {
  if (text === '' || process.stdout.write(text)) return;
  await once(process.stdout, 'drain').catch(() => undefined);
}

/** The screen on which stdout is shown. */
export function stdoutScreen(): Screen {
  return screenOf(process.stdout, process.env);
}

/** Writes a table for people, or JSON or CSV as it stands. */
export async function print(format: OutputFormat, text: string, screen = stdoutScreen()): Promise<void> {
  await (format === 'table' ? show(text, screen) : write(text));
}

/** Writes text for people, made fit for their terminal. */
export async function show(text: string, screen = stdoutScreen()): Promise<void> {
  await write(adaptToScreen(text, screen));
}
