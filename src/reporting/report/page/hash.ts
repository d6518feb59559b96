/** Keeps the page's state in its address, for links and bookmarks. */

/** What the page shows. Written as `#valve-3&from=…&to=…` or `#&q=atrio&sort=2-`. */
export interface State {
  /** the id of the valve's section; null: the overview */
  valve: string | null;
  /** zoom, compared valve, filters, order */
  values: URLSearchParams;
}

export function readHash(hash: string): State {
  const [valve = '', ...rest] = hash.replace(/^#/, '').split('&');
  return { valve: /^valve-\d+$/.test(valve) ? valve : null, values: new URLSearchParams(rest.join('&')) };
}

/** Empty values are left out. */
export function writeHash({ valve, values }: State): string {
  const kept = new URLSearchParams([...values].filter(([, value]) => value !== ''));
  const rest = kept.toString();
  return `#${valve ?? ''}${rest === '' ? '' : `&${rest}`}`;
}

/** Replaces the address without a new entry in the history: the back button goes from valve to valve, not from zoom to zoom. */
export function setValues(changes: Record<string, string>): void {
  const state = readHash(location.hash);
  for (const [key, value] of Object.entries(changes)) state.values.set(key, value);
  history.replaceState(history.state, '', writeHash(state));
}
