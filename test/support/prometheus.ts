/** Parses metrics, and checks that their text follows the format. */

/** One sample, with unescaped labels. */
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
 * Parses the text format 0.0.4. Each metric must have HELP, TYPE, then all of its samples in one group, each once. By the
 * naming conventions, counters (and only counters) end in _total, and units are base units.
 *
 * @throws if the text breaks one of these rules
 * @see https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
 */
export function parseMetrics(text: string): Sample[] {
  if (!text.endsWith('\n')) throw new Error('the last line does not end');
  const samples: Sample[] = [];
  /** names of metrics, and keys of samples */
  const seen = new Set<string>();
  let family = '';
  let lastHelp = '';
  for (const line of text.slice(0, -1).split('\n')) {
    const [, helpName] = HELP.exec(line) ?? [];
    const [, typeName, type] = TYPE.exec(line) ?? [];
    if (helpName !== undefined) {
      if (seen.has(helpName)) throw new Error(`a second group: ${line}`);
      seen.add(helpName);
      lastHelp = helpName;
    } else if (typeName !== undefined && type !== undefined) {
      if (typeName !== lastHelp) throw new Error(`TYPE without its HELP: ${line}`);
      if ((type === 'counter') !== typeName.endsWith('_total')) throw new Error(`the name of a ${type}: ${typeName}`);
      if (/kilo|milli|_kwh|_ms_|minutes|hours|_percent/.test(typeName)) throw new Error(`no base unit: ${typeName}`);
      family = typeName;
    } else {
      const sample = parseSample(line);
      const key = JSON.stringify([sample.name, Object.entries(sample.labels).sort()]);
      if (sample.name !== family) throw new Error(`outside of its group: ${line}`);
      if (seen.has(key)) throw new Error(`twice: ${line}`);
      seen.add(key);
      samples.push(sample);
    }
  }
  return samples;
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
