/** Shows progress: a bar on a terminal, else lines in the log. */
import { SingleBar, type Options } from 'cli-progress';
import type { Logger } from 'pino';

interface Plan {
  valves: number;
  requests: number;
}

interface Done extends Plan {
  stored: number;
}

/** Progress of a backfill through its plan. */
export interface PlannedProgress {
  start: (plan: Plan) => void;
  update: (done: Done) => void;
  stop: () => void;
}

/** A terminal that a bar is drawn on. */
export interface BarTerminal {
  stream: NodeJS.WriteStream;
  /** false: draw the bar in ASCII */
  drawsBlocks: boolean;
}

/** The time between two lines in the log. */
const LINE_EVERY_MS = 30_000;

/** @param terminal null: lines in the log */
export function createBackfillProgress(terminal: BarTerminal | null, log: Logger): PlannedProgress {
  return terminal ? createBar(terminal) : createLines(log);
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

function createBar(terminal: BarTerminal): PlannedProgress {
  const format = '{bar} {percentage} % | {stored} readings | {valves} of {allValves} valves | {eta_formatted} left';
  const bar = newBar(terminal, format);
  return {
    start: ({ requests, valves }) => bar.start(requests, 0, { stored: 0, valves: 0, allValves: valves }),
    update: ({ requests, stored, valves }) => bar.update(requests, { stored, valves }),
    stop: () => bar.stop(),
  };
}

function createLines(log: Logger): PlannedProgress {
  const startedMs = performance.now();
  let saidMs = startedMs;
  let plan: Plan = { valves: 0, requests: 0 };
  return {
    start: (planned) => {
      plan = planned;
    },
    update: ({ requests, stored, valves }) => {
      const nowMs = performance.now();
      if (nowMs - saidMs < LINE_EVERY_MS) return;
      saidMs = nowMs;
      const secondsLeft = Math.round(((nowMs - startedMs) / 1000) * (plan.requests / requests - 1));
      log.info(
        { requests, ofRequests: plan.requests, valves, ofValves: plan.valves, stored, secondsLeft },
        'backfilling',
      );
    },
    stop: () => undefined,
  };
}

/** A bar that would vanish again at once is not shown. */
const SHOW_AFTER_MS = 1000;

/** Progress through valves. Shows nothing if the work takes less than a moment. */
export interface ValveProgress {
  update: (done: number, total: number) => void;
  stop: () => void;
}

/** @param terminal null: lines in the log. @param action such as "judging" */
export function createValveProgress(terminal: BarTerminal | null, log: Logger, action: string): ValveProgress {
  const startedMs = performance.now();
  if (terminal) {
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
  let loggedMs = startedMs;
  return {
    update: (done, total) => {
      if (performance.now() - loggedMs < LINE_EVERY_MS) return;
      loggedMs = performance.now();
      log.info({ valves: done, ofValves: total }, action);
    },
    stop: () => undefined,
  };
}
