/** The time axis of the charts. */
import type uPlot from 'uplot';
import { clockText, DAY_S, dayText, timeOf, wallOf, type ZoneOffsets } from './local-time.ts';

const HOUR_S = 3600;
const STEPS_S = [
  ...[60, 300, 900, 1800],
  ...[1, 2, 3, 6, 12].map((hours) => hours * HOUR_S),
  ...[1, 2, 7, 14, 28, 91, 182, 364].map((days) => days * DAY_S),
];
/** CSS pixels for a label */
const LABEL_PX = 56;

/**
 * Ticks at round times of the report's time zone. uPlot's own would use the browser's.
 *
 * @param areDays the chart shows a bar per day: each label stands under the middle of its bar
 */
export function timeAxis(offsets: ZoneOffsets, areDays: () => boolean): Pick<uPlot.Axis, 'splits' | 'values'> {
  return {
    splits: (u, _axis, minS, maxS) => {
      const maxLabels = Math.max(2, u.bbox.width / devicePixelRatio / LABEL_PX);
      const minStepS = areDays() ? DAY_S : 0;
      const stepS = STEPS_S.find((step) => step >= minStepS && (maxS - minS) / step <= maxLabels) ?? 364 * DAY_S;
      const shiftS = areDays() ? DAY_S / 2 : 0;
      const splits: number[] = [];
      const lastS = wallOf(offsets, maxS);
      const firstS = wallOf(offsets, minS);
      for (let wallS = Math.ceil((firstS - shiftS) / stepS) * stepS + shiftS; wallS <= lastS; wallS += stepS) {
        const timeS = timeOf(offsets, wallS);
        if (timeS >= minS && timeS <= maxS && timeS > (splits.at(-1) ?? -Infinity)) splits.push(timeS);
      }
      return splits;
    },
    values: (_u, splits) => {
      const walls = splits.map((timeS) => wallOf(offsets, timeS));
      const isByDay = areDays() || walls.every((wallS) => wallS % DAY_S === 0);
      return walls.map((wallS, index) => {
        const [weekday = '', ...date] = dayText(wallS).split(' ');
        if (isByDay) return `${weekday}\n${date.join(' ')}`;
        const isNewDay = index === 0 || dayText(walls[index - 1] ?? 0) !== dayText(wallS);
        return `${clockText(wallS)}${isNewDay ? `\n${date.join(' ')}` : ''}`;
      });
    },
  };
}
