/** Runs the simulator in a process of its own, for the bench. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { SimulatorOptions } from '../simulator/simulator.ts';
import type { HyCloudState, Steering } from './workers/hycloud.ts';

export interface HyCloudProcess {
  /** Changes the clock or settings, if any are given. Returns the state afterwards. One call at a time. */
  steer: (change?: Steering) => Promise<HyCloudState>;
  stop: () => Promise<void>;
}

/** Starts the simulator in a process that ends with this one, or at the signal. */
export async function startHyCloud(
  worker: string,
  options: SimulatorOptions,
  signal: AbortSignal,
): Promise<HyCloudProcess> {
  signal.throwIfAborted();
  const child = fork(worker, [JSON.stringify(options)], {
    execArgv: [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    killSignal: 'SIGKILL',
    signal,
  });
  child.on('error', () => undefined); // the signal ends the process; `nextState` throws by the same signal
  const ended = once(child, 'exit');
  const nextState = async (): Promise<HyCloudState> => {
    const gone = ended.then(() => Promise.reject(new Error('the simulator has ended')));
    const [state] = (await Promise.race([once(child, 'message', { signal }), gone])) as [HyCloudState];
    return state;
  };
  await nextState(); // the simulator has started
  return {
    steer: (change = {}) => {
      const state = nextState(); // listens before the child can answer
      child.send(change);
      return state;
    },
    stop: async () => {
      if (child.connected) child.disconnect();
      await ended.catch(() => undefined);
    },
  };
}
