/** Prints the results of the bench. */
import { escapeAndCut } from '../../src/domain/text.ts';
import { formatTable } from '../../src/reporting/table.ts';
import type { Growth } from './growth.ts';
import type { Machine } from './machine.ts';
import type { Row } from './rows.ts';

export interface Measured extends Omit<Row, 'measure'> {
  median: number;
  min: number;
  max: number;
  repetitions: number;
  detail: string;
}

const right = (heading: string) => ({ heading, align: 'right' as const });

export function printTables(machine: Machine, rows: readonly Measured[], growth: readonly Growth[]): void {
  const { cpu, cores, load, node, commit } = machine;
  console.log(`tasmart ${commit} · node ${node} · ${cpu}, ${cores} cores, load ${load.toFixed(2)}\n`);
  if (rows.length > 0) console.log(rowTable(rows));
  if (growth.length > 0) console.log(growthTable(growth));
}

function rowTable(rows: readonly Measured[]): string {
  const columns = [{ heading: '' }, { heading: 'row' }, { heading: 'measured' }];
  return formatTable(
    [...columns, right('median'), right('min–max'), right('n'), right('target'), { heading: '' }],
    rows.map(({ name, what, median, min, max, repetitions, target, digits, detail }) => [
      median <= target ? '✓' : '✗',
      name,
      what,
      median.toFixed(digits),
      `${min.toFixed(digits)}–${max.toFixed(digits)}`,
      `${repetitions}`,
      `≤ ${target}`,
      escapeAndCut(detail, 120),
    ]),
  );
}

function growthTable(growth: readonly Growth[]): string {
  return formatTable(
    [right('valves'), right('latency'), right('wall'), right('CPU per valve'), right('peak memory')],
    growth.map(({ valves, latencyMs, wallMs, cpuPerValveMs, peakMb }) => [
      `${valves}`,
      `${latencyMs} ms`,
      `${(wallMs / 1000).toFixed(2)} s`,
      `${cpuPerValveMs.toFixed(2)} ms`,
      `${peakMb.toFixed(0)} MB`,
    ]),
  );
}
