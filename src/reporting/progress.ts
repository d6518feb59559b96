/** Shows progress: a bar on a terminal, else lines in the log. */
import { SingleBar } from 'cli-progress';
import type { Logger } from 'pino';
import type { BackfillPlan, BackfillProgress } from '../polling/backfill.ts';

/** A terminal that a bar is drawn on. */
export interface BarTerminal {
  stream: NodeJS.WriteStream;
  /** false: draw the bar in ASCII */
  drawsBlocks: boolean;
}

/** A bar is drawn after this time: work that ends earlier shows none. */
const SHOW_AFTER_MS = 1000;
/** The time between two lines in the log. */
const LOG_EVERY_MS = 30_000;

interface Progress {
  /** @param counts for the bar's format, and for the log */
  update: (done: number, total: number, counts: Record<string, number>) => void;
  stop: () => void;
}

/** @param terminal null: lines in the log */
function createProgress(terminal: BarTerminal | null, log: Logger, format: string, message: string): Progress {
  const startedMs = performance.now();
  if (terminal) {
    const [barCompleteChar, barIncompleteChar] = terminal.drawsBlocks ? ['█', '░'] : ['#', '-'];
    const { stream } = terminal;
    const looks = { barsize: 24, barCompleteChar, barIncompleteChar, hideCursor: true, clearOnComplete: true };
    const bar = new SingleBar({ stream, format: `${format} | {eta_formatted} left`, ...looks });
    return {
      update: (done, total, counts) => {
        if (bar.isActive) bar.update(done, counts);
        else if (performance.now() - startedMs >= SHOW_AFTER_MS) bar.start(total, done, counts);
      },
      stop: () => bar.stop(),
    };
  }
  let loggedMs = startedMs;
  return {
    update: (done, total, counts) => {
      const nowMs = performance.now();
      if (nowMs - loggedMs < LOG_EVERY_MS) return;
      loggedMs = nowMs;
      const secondsLeft = Math.round(((nowMs - startedMs) / 1000 / done) * (total - done));
      log.info({ ...counts, secondsLeft }, message);
    },
    stop: () => undefined,
  };
}

/** Shows how far a backfill is through the requests that it has planned. */
export function createBackfillProgress(terminal: BarTerminal | null, log: Logger) {
  const format = '{bar} {percentage} % | {stored} readings | {valves} of {ofValves} valves';
  const { update, stop } = createProgress(terminal, log, format, 'backfilling');
  let planned: Pick<BackfillPlan, 'valves' | 'requests'> = { valves: 0, requests: 0 };
  return {
    start: (plan: BackfillPlan) => {
      planned = plan;
    },
    update: ({ requests, valves, stored }: BackfillProgress) => {
      const counts = { requests, ofRequests: planned.requests, valves, ofValves: planned.valves, stored };
      update(requests, planned.requests, counts);
    },
    stop,
  };
}

/** Shows how many valves are done. Call `update` after each valve. @param action such as "judging" */
export function createValveProgress(terminal: BarTerminal | null, log: Logger, action: string) {
  const { update, stop } = createProgress(terminal, log, `${action} {bar} {valves} of {ofValves} valves`, action);
  return { update: (valves: number, ofValves: number) => update(valves, ofValves, { valves, ofValves }), stop };
}
