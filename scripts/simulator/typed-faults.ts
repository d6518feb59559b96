/** Faults that are switched on by typing a word while the simulator runs. */
import { US_PER_HOUR } from '../../src/domain/time.ts';
import type { Fault, Faults } from './faults.ts';

const NAMED_FAULTS: Record<string, { fault: Fault; meaning: string }> = {
  slow: { fault: { kind: 'delay', ms: 3000 }, meaning: 'answers come 3 s late' },
  silence: { fault: { kind: 'silence' }, meaning: 'no answer at all' },
  reset: { fault: { kind: 'reset', when: 'before' }, meaning: 'the connection is cut instead of an answer' },
  cut: { fault: { kind: 'reset', when: 'midBody' }, meaning: 'the connection is cut in the middle of an answer' },
  truncate: { fault: { kind: 'truncate' }, meaning: 'JSON that ends in the middle' },
  html: { fault: { kind: 'status', status: 502, body: 'html' }, meaning: 'a 502 with the HTML of a proxy' },
  texts: { fault: { kind: 'numbersAsStrings' }, meaning: 'texts instead of numbers' },
  shuffle: { fault: { kind: 'shuffle' }, meaning: 'points out of order' },
  double: { fault: { kind: 'double' }, meaning: 'every point twice' },
  future: { fault: { kind: 'future', aheadUs: US_PER_HOUR }, meaning: 'points of the next hour' },
};

export const FAULTS_HELP = `Type a fault to switch it on, with a number for so many requests alone ("503 3"); "off" ends them all. Faults act together:

  <status>  an HTTP status from 300 to 599, such as 401, 429 or 503
${Object.entries(NAMED_FAULTS)
  .map(([name, { meaning }]) => `  ${name.padEnd(8)}  ${meaning}`)
  .join('\n')}
`;

/** Switches faults on or off, as a typed line says. Returns the text to print. */
export function switchFaults(line: string, faults: Faults): string {
  const [name = '', times, ...more] = line.trim().toLowerCase().split(/\s+/);
  if (name === '') return '';
  if (name === 'off') {
    faults.clear();
    return 'no faults';
  }
  const fault = /^[345]\d\d$/.test(name)
    ? { kind: 'status' as const, status: Number(name) }
    : NAMED_FAULTS[name]?.fault;
  const isCount = times === undefined || /^[1-9]\d*$/.test(times);
  if (!fault || !isCount || more.length > 0) return FAULTS_HELP;
  faults.add({ fault, ...(times !== undefined && { times: Number(times) }) });
  return `${name}: ${times === undefined ? 'every request, until "off"' : `the next ${times}`}`;
}
