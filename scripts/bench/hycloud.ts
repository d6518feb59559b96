import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { SimulatorOptions } from '../simulator/simulator.ts';
import type { HyCloudState, Steering } from './workers/hycloud.ts';

export interface HyCloudProcess {
  /** Changes something, or nothing, and says how things stand then. */
  steer: (change?: Steering) => Promise<HyCloudState>;
  stop: () => Promise<void>;
}

/** Nothing of it is to outlive the longest run of the bench. */
const LIMIT_MS = 20 * 60_000;

/** Starts the simulator as a process that ends when we do, or at the signal. */
export async function startHyCloud(
  worker: string,
  options: SimulatorOptions,
  signal: AbortSignal,
): Promise<HyCloudProcess> {
  signal.throwIfAborted();
  const child = fork(worker, [JSON.stringify(options)], {
    execArgv: [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
    signal,
  });
  child.on('error', () => undefined); // the signal; whoever waits for an answer is told by it as well
  const ended = once(child, 'exit');
  const answer = async (): Promise<HyCloudState> => {
    const gone = ended.then(() => Promise.reject(new Error('the simulator has ended')));
    const [state] = (await Promise.race([once(child, 'message', { signal }), gone])) as [HyCloudState];
    return state;
  };
  await answer();
  return {
    steer: (change = {}) => {
      const state = answer();
      child.send(change);
      return state;
    },
    stop: async () => {
      if (child.connected) child.disconnect();
      await ended.catch(() => undefined);
    },
  };
}
