/** Draws a text on a terminal again and again, until Ctrl-C. */
import { clearScreenDown, cursorTo } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import type { Database } from '../../database/connection.ts';
import { KnownError } from '../../domain/errors.ts';
import { escapeHostile } from '../../domain/text.ts';
import { adaptToScreen, type Screen } from '../../reporting/screen.ts';
import { localTime } from '../../reporting/units.ts';
import { stdoutScreen } from '../shared/output.ts';

const REDRAW_MS = 10_000;

/** A blank line, the time, and the cursor's own line. */
const LINES_BELOW = 3;

/**
 * Keeps one database session. If the session is lost, or the database cannot be reached, shows why, and tries again.
 *
 * @param compose makes the text for a screen of this many lines
 * @throws what `open` or `compose` throws, if it is not about the database; AbortError at the signal
 */
export async function watchTerminal(
  { signal, timezone }: { signal: AbortSignal; timezone: string },
  open: (use: (database: Database) => Promise<never>) => Promise<never>,
  compose: (database: Database, screen: Screen, height: number) => Promise<string>,
): Promise<never> {
  const drawAndWait = async (text: string, screen: Screen) => {
    cursorTo(process.stdout, 0, 0);
    clearScreenDown(process.stdout);
    const time = localTime(Date.now() * 1000, timezone);
    process.stdout.write(
      adaptToScreen(`${text}\n${time} (${timezone}), every ${REDRAW_MS / 1000} s; Ctrl-C ends it.\n`, screen),
    );
    await delay(REDRAW_MS, undefined, { signal });
  };
  for (;;) {
    try {
      await open(async (database) => {
        for (;;) {
          const screen = stdoutScreen();
          await drawAndWait(await compose(database, screen, process.stdout.rows - LINES_BELOW), screen);
        }
      });
    } catch (error) {
      if (signal.aborted || !(error instanceof KnownError && error.kind === 'database')) throw error;
      const remedy = error.remedy === null ? '' : `  → ${escapeHostile(error.remedy)}\n`;
      await drawAndWait(`✗ ${escapeHostile(error.message)}\n${remedy}`, stdoutScreen());
    }
  }
}
