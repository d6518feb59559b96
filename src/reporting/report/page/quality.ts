/** The qualities of a bucket's kWh: letter in the page's data, mark in tables, text for people. */
export const QUALITIES = {
  measured: { letter: 'm', mark: '', text: 'measured' },
  estimated: { letter: 'e', mark: '~', text: 'estimated: part of it lies in a longer gap, or a glitch was left out' },
  provisional: { letter: 'p', mark: '…', text: 'provisional: it ends after the last decided reading' },
  reset: { letter: 'r', mark: '≥', text: 'a counter reset lies in it: at least that much' },
  jump: { letter: 'j', mark: '≥', text: 'a counter jump lies in it: at least that much' },
  missing: { letter: 'x', mark: '', text: 'missing: no reading before or after it' },
} as const;

export type Quality = keyof typeof QUALITIES;

export const QUALITY_NAMES = Object.keys(QUALITIES) as readonly Quality[];

export function qualityOf(letter: string): Quality {
  return QUALITY_NAMES.find((name) => QUALITIES[name].letter === letter) ?? 'missing';
}
