/** A row of cells that shows how complete each day is. */
import { epochSeconds } from '../../domain/time.ts';
import type { DayCompleteness } from './data.ts';
import { markup, trustHtml, type Markup } from './markup.ts';
import type { Messages } from './messages.ts';
import { dayText, wallOf } from './page/local-time.ts';

/** More cells would be too narrow to see. */
const MAX_DAYS = 31;

/** One cell per day, the newest on the right. Days of the same level share a path, to keep the page small. */
export function strip(allDays: readonly DayCompleteness[]): Markup {
  const days = allDays.slice(-MAX_DAYS);
  const levels = days.map(levelOf);
  const paths = [...new Set(levels)].map((level) => {
    // A cell is 0.9 wide and 1 high.
    const cells = levels.flatMap((levelOfDay, day) => (levelOfDay === level ? [`M${day} 0h.9v1h-.9z`] : []));
    return `<path class="${level}" d="${cells.join('')}"/>`;
  });
  const incomplete = levels.filter((level) => level !== 'c4' && level !== 'cn').length;
  const label = incomplete === 0 ? 'no day is incomplete' : `${incomplete} of ${days.length} days incomplete`;
  return trustHtml(
    `<svg class="strip" viewBox="0 0 ${days.length} 1" preserveAspectRatio="none" role="img" aria-label="${label}">${paths.join('')}</svg>`,
  );
}

/** A day's class in page/table.css. `stripKeys` explains the classes to the reader. */
function levelOf({ expected, present }: DayCompleteness): string {
  if (expected === 0) return 'cn';
  const share = present / expected;
  if (share >= 1) return 'c4';
  if (share >= 0.95) return 'c3';
  if (share >= 0.5) return 'c2';
  return share > 0 ? 'c1' : 'c0';
}

/** The days that a strip shows: `Mon 16 Nov – Mon 23 Nov`. */
export function stripRange(allDays: readonly DayCompleteness[], { offsets }: Messages): string {
  const days = allDays.slice(-MAX_DAYS);
  const [first, last] = [days[0], days.at(-1)].map((day) => day && dayText(wallOf(offsets, epochSeconds(day.startUs))));
  return first && last ? `${first} – ${last}` : '';
}

/** What the colours mean: one entry per class of `levelOf`. */
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
