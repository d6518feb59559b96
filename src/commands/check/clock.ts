/** The part of `tasmart check` that compares two clocks. */
import { US_PER_SECOND } from '../../domain/time.ts';
import { ok, warning, type CheckItem } from '../../reporting/check.ts';
import { durationText } from '../../reporting/units.ts';

/** If the clocks differ by more, ages are wrong, and a first run fetches the wrong history. */
const TOLERANCE_US = 60 * US_PER_SECOND;

interface Clocks {
  /** whose clock is checked, such as "ours" */
  clock: string;
  /** whose clock it is compared with */
  other: string;
  /** how far `clock` is ahead of `other` */
  aheadUs: number;
  remedy: string;
}

export function clockItem(name: string, { clock, other, aheadUs, remedy }: Clocks): CheckItem {
  const seen = `${clock} is ${durationText(Math.abs(aheadUs))} ${aheadUs < 0 ? 'behind' : 'ahead of'} ${other}`;
  return Math.abs(aheadUs) <= TOLERANCE_US ? ok(name, seen) : warning(name, seen, remedy);
}
