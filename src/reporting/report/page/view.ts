/** The span of time that all charts show. */
export interface View {
  span: () => Span;
  /** Shows a span: moved into the report's span, and made at least `leastS` long. */
  show: (span: Span) => void;
  move: (action: Action) => void;
  onChange: (listener: () => void) => void;
}

export interface Span {
  fromS: number;
  toS: number;
}

export type Action = 'left' | 'right' | 'in' | 'out' | 'reset';

/** @param whole the report's span */
export function createView(whole: Span, leastS: number): View {
  let shown = whole;
  const listeners: (() => void)[] = [];
  const show = ({ fromS, toS }: Span): void => {
    const lengthS = Math.min(Math.max(toS - fromS, leastS), whole.toS - whole.fromS);
    const centredS = (fromS + toS - lengthS) / 2;
    const startS = Math.min(Math.max(centredS, whole.fromS), whole.toS - lengthS);
    shown = { fromS: startS, toS: startS + lengthS };
    for (const listener of listeners) listener();
  };
  return {
    span: () => shown,
    show,
    move: (action) => show(targetsOf(shown, whole)[action]),
    onChange: (listener) => listeners.push(listener),
  };
}

/** The span that each action shows. */
function targetsOf({ fromS, toS }: Span, whole: Span): Record<Action, Span> {
  const lengthS = toS - fromS;
  return {
    left: { fromS: fromS - lengthS / 2, toS: toS - lengthS / 2 },
    right: { fromS: fromS + lengthS / 2, toS: toS + lengthS / 2 },
    in: { fromS: fromS + lengthS / 4, toS: toS - lengthS / 4 },
    out: { fromS: fromS - lengthS / 2, toS: toS + lengthS / 2 },
    reset: whole,
  };
}
