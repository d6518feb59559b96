import { once } from 'node:events';

/** Writes to stdout, at the pace of a slow reader; one that is gone needs no waiting for. */
export async function write(text: string): Promise<void> {
  if (text === '' || process.stdout.write(text)) return;
  await once(process.stdout, 'drain').catch(() => undefined);
}
