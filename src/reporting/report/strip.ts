/** A row of cells that shows how complete each day is. */
import { epochSeconds } from '../../domain/time.ts';
import type { DayCompleteness } from './data.ts';
import { markup, trusted, type Markup } from './markup.ts';
import type { Messages } from './messages.ts';
import { dayText, wallOf } from './page/local-time.ts';

/** More cells would be too narrow to see. */
const MAX_DAYS = 31;

/** One cell per day, the newest on the right. Days of the same level share a path, to keep the page small. */
export function strip(all: readonly DayCompleteness[]): Markup {
  const days = all.slice(-MAX_DAYS);
  const levels = days.map(level);
  const paths = [...new Set(levels)].map((own) => {
    const cells = levels.flatMap((each, day) => (each === own ? [`M${day} 0h.9v1h-.9z`] : []));
    return `<path class="${own}" d="${cells.join('')}"/>`;
  });
  const short = levels.filter((each) => each !== 'c4' && each !== 'cn').length;
  const words = short === 0 ? 'no day is incomplete' : `${short} of ${days.length} days incomplete`;
  return trusted(
    `<svg class="strip" viewBox="0 0 ${days.length} 1" preserveAspectRatio="none" role="img" aria-label="${words}">${paths.join('')}</svg>`,
  );
}

/** A day's class in the CSS: from `c0` (no reading) to `c4` (complete); `cn`: no reading was expected */
function level({ expected, present }: DayCompleteness): string {
  if (expected === 0) return 'cn';
  const share = present / expected;
  return `c${share >= 1 ? 4 : share >= 0.95 ? 3 : share >= 0.5 ? 2 : share > 0 ? 1 : 0}`;
}

/** The days that a strip shows: `Mon 16 Nov – Mon 23 Nov`. */
export function stripRange(all: readonly DayCompleteness[], { offsets }: Messages): string {
  const days = all.slice(-MAX_DAYS);
  const [first, last] = [days[0], days.at(-1)].map((day) => day && dayText(wallOf(offsets, epochSeconds(day.startUs))));
  return first && last ? `${first} – ${last}` : '';
}

export function stripKeys(): Markup {
  return markup`<ul class="keys" aria-label="Readings by day">
    <li><span class="swatch c4"></span>complete</li>
    <li><span class="swatch c3"></span>95 % and more</li>
    <li><span class="swatch c2"></span>50 % and more</li>
    <li><span class="swatch c1"></span>less</li>
    <li><span class="swatch c0"></span>no reading</li>
    <li><span class="swatch cn"></span>no reading expected</li>
  </ul>`;
}
