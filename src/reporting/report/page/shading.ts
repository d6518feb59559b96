/** Marks behind the lines and bars: gaps, errors, missing values, events. */
import type uPlot from 'uplot';
import { palette } from './palette.ts';

/** A span in seconds since 1970. Errors and events add a text, events also a regime: see readout.ts. */
export type TimeSpan = readonly [fromS: number, toS: number, ...more: unknown[]];

/** CSS pixels */
const BAR_HEIGHT = 5;
/** CSS pixels. MAX_MARKS in report/thin.ts depends on it. */
const MIN_MARK_WIDTH = 2;

/** Spans that are marked in every chart of a valve. */
export interface Marks {
  gaps: readonly TimeSpan[];
  errors: readonly TimeSpan[];
  withoutValues: readonly TimeSpan[];
  events: readonly TimeSpan[];
}

/**
 * Behind lines, gaps are hatched. Behind bars, which have hatches of their own, gaps are tinted, and only spans without
 * kWh are hatched. Errors and readings without values are bars along the top, events are tinted.
 *
 * @param withoutKwh spans of bars without kWh; null: the chart has lines
 */
export function shading(
  { gaps, errors, withoutValues, events }: Marks,
  withoutKwh: readonly TimeSpan[] | null,
): (u: uPlot) => void {
  return (u) => {
    const { ctx, bbox } = u;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    const fill = (
      spans: readonly TimeSpan[],
      style: string | CanvasPattern,
      height: number,
      minWidth: number,
    ): void => {
      ctx.fillStyle = style;
      for (const [fromS, toS] of spans) {
        if (toS < (u.scales['x']?.min ?? 0) || fromS > (u.scales['x']?.max ?? 0)) continue;
        const left = u.valToPos(fromS, 'x', true);
        ctx.fillRect(left, bbox.top, Math.max(u.valToPos(toS, 'x', true) - left, minWidth), height);
      }
    };
    const [barHeight, markWidth] = [BAR_HEIGHT * devicePixelRatio, MIN_MARK_WIDTH * devicePixelRatio];
    fill(gaps, withoutKwh ? palette().colour('--gap') : palette().gap, bbox.height, 1);
    fill(withoutKwh ?? [], palette().gap, bbox.height, 1);
    fill(withoutValues, palette().colour('--muted'), barHeight, markWidth);
    fill(errors, palette().colour('--bad'), barHeight, markWidth);
    ctx.globalAlpha = 0.35;
    fill(events, palette().colour('--warn'), bbox.height, markWidth);
    ctx.restore();
  };
}

/** The first span that a time lies in. Both ends are excluded: a reading at the edge of a gap is not in it. */
export function spanAt<T extends TimeSpan>(spans: readonly T[], timeS: number): T | undefined {
  return spans.find(([fromS, toS]) => fromS < timeS && timeS < toS);
}
