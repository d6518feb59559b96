/** Shows progress: a bar on a terminal, else lines in the log. */
import { SingleBar, type Options } from 'cli-progress';
import type { Logger } from 'pino';
import type { BackfillPlan, BackfillProgress } from '../polling/backfill.ts';

type Planned = Pick<BackfillPlan, 'valves' | 'requests'>;

/** Shows how far a backfill is through the requests that it has planned. */
export interface BackfillDisplay {
  start: (planned: Planned) => void;
  /** `stored`: readings */
  update: (done: BackfillProgress) => void;
  stop: () => void;
}

/** A terminal that a bar is drawn on. */
export interface BarTerminal {
  stream: NodeJS.WriteStream;
  /** false: draw the bar in ASCII */
  drawsBlocks: boolean;
}

/** The time between two lines in the log. */
const LOG_EVERY_MS = 30_000;

/** @param terminal null: lines in the log */
export function createBackfillProgress(terminal: BarTerminal | null, log: Logger): BackfillDisplay {
  return terminal ? backfillBar(terminal) : backfillLines(log);
}

function newBar({ stream, drawsBlocks }: BarTerminal, format: string, options: Options = {}): SingleBar {
  const [barCompleteChar, barIncompleteChar] = drawsBlocks ? ['█', '░'] : ['#', '-'];
  return new SingleBar({
    stream,
    format,
    hideCursor: true,
    barsize: 24,
    barCompleteChar,
    barIncompleteChar,
    ...options,
  });
}

function backfillBar(terminal: BarTerminal): BackfillDisplay {
  const format = '{bar} {percentage} % | {stored} readings | {valves} of {allValves} valves | {eta_formatted} left';
  const bar = newBar(terminal, format);
  return {
    start: ({ requests, valves }) => bar.start(requests, 0, { stored: 0, valves: 0, allValves: valves }),
    update: ({ requests, stored, valves }) => bar.update(requests, { stored, valves }),
    stop: () => bar.stop(),
  };
}

function backfillLines(log: Logger): BackfillDisplay {
  const startedMs = performance.now();
  let loggedMs = startedMs;
  let planned: Planned = { valves: 0, requests: 0 };
  return {
    start: (plan) => {
      planned = plan;
    },
    update: ({ requests, stored, valves }) => {
      const nowMs = performance.now();
      if (nowMs - loggedMs < LOG_EVERY_MS) return;
      loggedMs = nowMs;
      const secondsPerRequest = (nowMs - startedMs) / 1000 / requests;
      const secondsLeft = Math.round(secondsPerRequest * (planned.requests - requests));
      log.info(
        { requests, ofRequests: planned.requests, valves, ofValves: planned.valves, stored, secondsLeft },
        'backfilling',
      );
    },
    stop: () => undefined,
  };
}

/** A bar is drawn after this time: work that ends earlier shows none. */
const SHOW_AFTER_MS = 1000;

/** Shows how many valves are done. Call `update` after each valve. */
export interface ValveProgress {
  update: (done: number, total: number) => void;
  stop: () => void;
}

/** @param terminal null: lines in the log. @param action such as "judging" */
export function createValveProgress(terminal: BarTerminal | null, log: Logger, action: string): ValveProgress {
  return terminal ? valveBar(terminal, action) : valveLines(log, action);
}

function valveBar(terminal: BarTerminal, action: string): ValveProgress {
  const startedMs = performance.now();
  const format = `${action} {bar} {value} of {total} valves | {eta_formatted} left`;
  const bar = newBar(terminal, format, { clearOnComplete: true });
  return {
    update: (done, total) => {
      if (bar.isActive) bar.update(done);
      else if (performance.now() - startedMs >= SHOW_AFTER_MS) bar.start(total, done);
    },
    stop: () => bar.stop(),
  };
}

function valveLines(log: Logger, action: string): ValveProgress {
  let loggedMs = performance.now();
  return {
    update: (done, total) => {
      if (performance.now() - loggedMs < LOG_EVERY_MS) return;
      loggedMs = performance.now();
      log.info({ valves: done, ofValves: total }, action);
    },
    stop: () => undefined,
  };
}
