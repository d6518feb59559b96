/** A 32-bit hash of two integers, like the finaliser of MurmurHash3. Changing it changes all valves and their histories. */
export function hash32(seed: number, n: number): number {
  let h = Math.imul(seed ^ n, 0x85ebca6b) ^ seed;
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  return (h ^ (h >>> 13)) >>> 0;
}

/** Random draws. Each call takes the next number of the sequence, so the order of calls matters. */
export interface Draws {
  /** a real number in [from, to) */
  between: (from: number, to: number) => number;
  /** a whole number in [0, count) */
  below: (count: number) => number;
  pick: <T>(choices: readonly [T, ...T[]]) => T;
  hex: (digits: number) => string;
  uuid: () => string;
}

export function draws(seed: number): Draws {
  let drawn = 0;
  const unit = (): number => hash32(seed, ++drawn) / 2 ** 32;
  const below = (count: number): number => Math.floor(unit() * count);
  const hex = (digits: number): string => {
    let text = '';
    while (text.length < digits) text += hash32(seed, ++drawn).toString(16).padStart(8, '0');
    return text.slice(0, digits);
  };
  return {
    between: (from, to) => from + unit() * (to - from),
    below,
    pick: (choices) => choices[below(choices.length)] ?? choices[0],
    hex,
    uuid: () => `${hex(8)}-${hex(4)}-4${hex(3)}-a${hex(3)}-${hex(12)}`,
  };
}
