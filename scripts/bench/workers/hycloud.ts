/** The simulator in a process of its own, so that its CPU time is measured separately. bench/hycloud.ts controls it over IPC. */
import type { Micros } from '../../../src/domain/time.ts';
import { startSimulator, type SimulatorOptions } from '../../simulator/simulator.ts';

/** A change of the simulator. What is left out stays as it is. */
export interface Steering {
  advanceUs?: Micros;
  latencyMs?: number;
  gzipFromBytes?: number;
}

export interface HyCloudState {
  env: Record<string, string>;
  /** since the start */
  requests: number;
  /** since the start; headers and bodies, before encryption */
  bytesSent: number;
}

const simulator = await startSimulator(JSON.parse(process.argv[2] ?? '{}') as SimulatorOptions);

function sendState(): void {
  const state: HyCloudState = { env: simulator.env(), ...simulator.totals() };
  process.send?.(state);
}

process.on('message', ({ advanceUs = 0, ...settings }: Steering) => {
  simulator.clock.advance(advanceUs);
  Object.assign(simulator.settings, settings);
  sendState();
});
process.once('disconnect', () => process.exit());
// Ignore Ctrl-C: the bench gets it and then ends this process.
process.on('SIGINT', () => undefined);
sendState();
