/** Colours and patterns of the charts. */
import type { Quality } from './quality.ts';

interface BarLook {
  fill: string | CanvasPattern;
  stroke: string;
}

/** The colours come from the style sheet, which has sets for dark, light and print. */
export interface Palette {
  colour: (property: string) => string;
  /** must match the keys `.q-…` in base.css */
  bar: Record<Quality, BarLook>;
  gap: string | CanvasPattern;
}

/** Draws the lines of a hatch into a square tile. */
type Draw = (context: CanvasRenderingContext2D, size: number) => void;

const SLANTED: Draw = (context, size) => {
  for (const offset of [-size, 0, size]) {
    context.moveTo(offset - 1, size + 1);
    context.lineTo(offset + size + 1, -1);
  }
};
const CROSSED: Draw = (context, size) => {
  SLANTED(context, size);
  for (const offset of [-size, 0, size]) {
    context.moveTo(offset - 1, -1);
    context.lineTo(offset + size + 1, size + 1);
  }
};
const UPRIGHT: Draw = (context, size) => {
  context.moveTo(size / 2, 0);
  context.lineTo(size / 2, size);
};
const LEVEL: Draw = (context, size) => {
  context.moveTo(0, size / 2);
  context.lineTo(size, size / 2);
};

let cached: Palette | null = null;

export function palette(): Palette {
  cached ??= readPalette();
  return cached;
}

/** To be called when the page's colours have changed, or `devicePixelRatio` (by zooming): the hatches are drawn for it. */
export function forgetPalette(): void {
  cached = null;
}

function readPalette(): Palette {
  const style = getComputedStyle(document.documentElement);
  const colour = (property: string): string => style.getPropertyValue(property).trim();
  const pale = (property: string, draw: Draw): BarLook => ({
    fill: createHatching(colour(property), colour('--ground'), draw, 5),
    stroke: colour(property),
  });
  // Full colour with light lines, so that a narrow bar is visible between its neighbours.
  const striking = (property: string, draw: Draw): BarLook => ({
    fill: createHatching(colour('--ground'), colour(property), draw, 6),
    stroke: colour(property),
  });
  return {
    colour,
    bar: {
      measured: { fill: colour('--energy'), stroke: colour('--energy') },
      estimated: pale('--energy', SLANTED),
      provisional: pale('--energy', LEVEL),
      reset: striking('--warn', UPRIGHT),
      jump: striking('--bad', CROSSED),
      missing: { fill: colour('--gap'), stroke: colour('--gap') },
    },
    gap: createHatching(colour('--gap-line'), colour('--gap'), SLANTED, 7),
  };
}

function createHatching(line: string, ground: string, draw: Draw, sizePx: number): string | CanvasPattern {
  const size = Math.round(sizePx * devicePixelRatio);
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = size;
  const context = canvas.getContext('2d');
  if (!context) return line;
  context.fillStyle = ground;
  context.fillRect(0, 0, size, size);
  context.strokeStyle = line;
  context.lineWidth = 1.4 * devicePixelRatio;
  context.beginPath();
  draw(context, size);
  context.stroke();
  return context.createPattern(canvas, 'repeat') ?? line;
}
