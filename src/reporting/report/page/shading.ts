import type uPlot from 'uplot';
import { palette } from './palette.ts';

/** Seconds since 1970. */
export type TimeSpan = readonly [fromS: number, toS: number];

/** CSS pixels */
const ERROR_HEIGHT = 5;

/**
 * Behind the lines: gaps hatched over the whole height, error periods as a bar along the top, events of the counter tinted. Behind bars, which are
 * hatched themselves over a gap, it is a plain tint, and hatched where a bar is missing.
 */
export function shading(
  gaps: readonly TimeSpan[],
  missing: readonly TimeSpan[] | null,
  errors: readonly TimeSpan[],
  events: readonly TimeSpan[],
): (u: uPlot) => void {
  return (u) => {
    const { ctx, bbox } = u;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    const fill = (spans: readonly TimeSpan[], style: string | CanvasPattern, height: number, least: number): void => {
      ctx.fillStyle = style;
      for (const [fromS, toS] of spans) {
        if (toS < (u.scales['x']?.min ?? 0) || fromS > (u.scales['x']?.max ?? 0)) continue;
        const left = u.valToPos(fromS, 'x', true);
        ctx.fillRect(left, bbox.top, Math.max(u.valToPos(toS, 'x', true) - left, least), height);
      }
    };
    fill(gaps, missing ? palette().colour('--gap') : palette().gap, bbox.height, 1);
    fill(missing ?? [], palette().gap, bbox.height, 1);
    fill(errors, palette().colour('--bad'), ERROR_HEIGHT * devicePixelRatio, 2 * devicePixelRatio);
    ctx.globalAlpha = 0.25;
    fill(events, palette().colour('--warn'), bbox.height, 2 * devicePixelRatio);
    ctx.restore();
  };
}

export function within<T extends readonly [number, number, ...unknown[]]>(
  spans: readonly T[],
  timeS: number,
): T | undefined {
  return spans.find(([fromS, toS]) => fromS < timeS && timeS < toS);
}
