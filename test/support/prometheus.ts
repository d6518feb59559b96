/** Parses and checks Prometheus metrics. */

/** One sample. The labels are unescaped. */
export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const HELP = new RegExp(`^# HELP (${NAME}) ((?:[^\\\\]|\\\\\\\\|\\\\n)*)$`);
const TYPE = new RegExp(`^# TYPE (${NAME}) (counter|gauge)$`);
const SAMPLE = new RegExp(`^(${NAME})(?:\\{(.*)\\})? (-?[0-9]+(?:\\.[0-9]+)?(?:e[+-]?[0-9]+)?)$`, 's');
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\["\\n])*)"(?:,|$)/;

/**
 * Parses the text format 0.0.4.
 *
 * @throws Error unless each metric is one group of HELP, TYPE and its samples, no sample occurs twice, counters and only
 * counters end in _total, and names have base units
 * @see https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
 */
export function parseMetrics(text: string): Sample[] {
  if (!text.endsWith('\n')) throw new Error('the last line does not end');
  const samples: Sample[] = [];
  const sampleKeys = new Set<string>();
  const namesWithHelp = new Set<string>();
  let nameOfHelp = '';
  let nameOfType = '';
  for (const line of text.slice(0, -1).split('\n')) {
    const [, helpName] = HELP.exec(line) ?? [];
    const [, typeName, type] = TYPE.exec(line) ?? [];
    if (helpName !== undefined) {
      if (namesWithHelp.has(helpName)) throw new Error(`a second group: ${line}`);
      namesWithHelp.add(helpName);
      nameOfHelp = helpName;
    } else if (typeName !== undefined && type !== undefined) {
      if (typeName !== nameOfHelp) throw new Error(`TYPE without its HELP: ${line}`);
      requireMetricName(typeName, type);
      nameOfType = typeName;
    } else {
      const sample = parseSample(line);
      const key = JSON.stringify([sample.name, Object.entries(sample.labels).sort()]);
      if (sample.name !== nameOfType) throw new Error(`outside of its group: ${line}`);
      if (sampleKeys.has(key)) throw new Error(`twice: ${line}`);
      sampleKeys.add(key);
      samples.push(sample);
    }
  }
  return samples;
}

function requireMetricName(name: string, type: string): void {
  if ((type === 'counter') !== name.endsWith('_total')) throw new Error(`the name of a ${type}: ${name}`);
  if (/kilo|milli|_kwh|_ms_|minutes|hours|_percent/.test(name)) throw new Error(`no base unit: ${name}`);
}

function parseSample(line: string): Sample {
  const [, name, pairs = '', value] = SAMPLE.exec(line) ?? [];
  if (name === undefined) throw new Error(`no sample: ${line}`);
  const labels: Record<string, string> = {};
  for (let rest = pairs; rest !== '';) {
    const [whole, label, text] = LABEL.exec(rest) ?? [];
    if (whole === undefined || label === undefined || text === undefined) throw new Error(`labels: ${line}`);
    if (label in labels) throw new Error(`a label twice: ${line}`);
    labels[label] = text.replace(/\\(.)/g, (_all, char: string) => (char === 'n' ? '\n' : char));
    rest = rest.slice(whole.length);
  }
  return { name, labels, value: Number(value) };
}
