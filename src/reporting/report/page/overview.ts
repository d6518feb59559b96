/** The table of all valves: search, filters, order, and how many rows are shown. */
import { saveCsv } from './csv.ts';
import { readHash, setValues } from './hash.ts';
import { groupThousands } from './numbers.ts';

/** More rows are shown when they are asked for. */
const ROWS = 100;

const FILTERS = ['q', 'account', 'project', 'problem'] as const;

export function connectOverview(): void {
  const table = document.querySelector<HTMLTableElement>('#overview-table');
  const form = document.querySelector<HTMLFormElement>('.filters');
  const body = table?.tBodies[0];
  if (!table || !form || !body) return;
  const heads = [...table.querySelectorAll<HTMLElement>('thead th')];
  const rows = [...body.rows];
  const all = groupThousands(rows.length);
  const more = document.getElementById('more');
  const field = (name: string) => form.elements.namedItem(name) as HTMLInputElement | HTMLSelectElement | null;
  let isWhole = false;

  const apply = (): void => {
    const { values } = readHash(location.hash);
    for (const name of FILTERS) {
      const input = field(name);
      const value = values.get(name) ?? '';
      if (input && input.value !== value) input.value = value;
    }
    const { column, isDown } = orderOf(values.get('sort'));
    heads.forEach((head, index) => {
      if (index === column) head.setAttribute('aria-sort', isDown ? 'descending' : 'ascending');
      else head.removeAttribute('aria-sort');
    });
    const found = sorted(
      rows.filter((row) => isWanted(row, values)),
      column,
      isDown,
    );
    const shown = isWhole ? found : found.slice(0, ROWS);
    body.replaceChildren(...shown);
    const count = document.getElementById('count');
    if (count)
      count.textContent =
        found.length === rows.length ? `${all} valves` : `${groupThousands(found.length)} of ${all} valves`;
    if (more) {
      more.hidden = shown.length === found.length;
      more.textContent = `Show all ${groupThousands(found.length)}`;
    }
  };
  heads.forEach((head, index) => {
    if (head.dataset['kind'] === 'plain') return;
    const button = document.createElement('button');
    button.type = 'button';
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener('click', () => {
      const order = orderOf(readHash(location.hash).values.get('sort'));
      const isDown = order.column === index ? !order.isDown : head.dataset['kind'] !== '';
      setValues({ sort: `${index}${isDown ? '-' : ''}` });
      apply();
    });
  });
  form.addEventListener('input', () => {
    setValues(Object.fromEntries(FILTERS.map((name) => [name, field(name)?.value ?? ''])));
    apply();
  });
  form.addEventListener('submit', (event) => event.preventDefault());
  more?.addEventListener('click', () => {
    isWhole = true;
    apply();
  });
  document.getElementById('table-csv')?.addEventListener('click', () => {
    const { values } = readHash(location.hash);
    const { column, isDown } = orderOf(values.get('sort'));
    const found = sorted(
      rows.filter((row) => isWanted(row, values)),
      column,
      isDown,
    );
    saveCsv('valves.csv', [heads.map((head) => head.textContent.trim()), ...found.map(cellsOf)]);
  });
  addEventListener('hashchange', apply);
  // Show all rows when printing.
  addEventListener('beforeprint', () => {
    isWhole = true;
    apply();
  });
  apply();

  /** By default, the valve that consumes most comes first. */
  function orderOf(text: string | null): { column: number; isDown: boolean } {
    const [, column, down] = /^(\d+)(-?)$/.exec(text ?? '') ?? [];
    const byKwh = heads.findIndex((head) => head.textContent.trim() === 'kWh');
    return column === undefined ? { column: byKwh, isDown: true } : { column: Number(column), isDown: down === '-' };
  }
}

function isWanted(row: HTMLTableRowElement, values: URLSearchParams): boolean {
  const words = (values.get('q') ?? '').toLowerCase().split(/\s+/);
  const [account, project, problem] = FILTERS.slice(1).map((filter) => values.get(filter) ?? '');
  const problems = row.dataset['problems'] ?? ' ';
  return (
    words.every((word) => row.dataset['search']?.includes(word)) &&
    (account === '' || row.dataset['account'] === account) &&
    (project === '' || row.dataset['project'] === project) &&
    (problem === '' || (problem === 'any' ? problems.trim() !== '' : problems.includes(` ${problem} `)))
  );
}

/** Numbers by value, texts by the alphabet. Unknown values always come last. */
function sorted(rows: readonly HTMLTableRowElement[], column: number, isDown: boolean): HTMLTableRowElement[] {
  const collator = new Intl.Collator('en', { numeric: true });
  const keyed = rows.map((row) => {
    const cell = row.cells[column];
    const value = cell?.dataset['v'];
    return { row, text: value ?? cell?.textContent.trim() ?? '', number: value === undefined ? null : Number(value) };
  });
  const sign = isDown ? -1 : 1;
  keyed.sort((a, b) => {
    if ((a.text === '') !== (b.text === '')) return a.text === '' ? 1 : -1;
    return sign * (a.number !== null && b.number !== null ? a.number - b.number : collator.compare(a.text, b.text));
  });
  return keyed.map(({ row }) => row);
}

function cellsOf(row: HTMLTableRowElement): (string | number | null)[] {
  return [...row.cells].map((cell, index) => {
    if (index === 0) return cell.querySelector('a')?.textContent ?? '';
    const strip = cell.querySelector('svg');
    if (strip) return strip.getAttribute('aria-label') ?? '';
    const value = cell.dataset['v'];
    // Newest readings and problems are texts; their numbers are only for sorting.
    if (value === undefined || /[a-z]/i.test(cell.textContent)) return cell.textContent.trim().replace(/\s+/g, ' ');
    return value === '' ? null : Number(value);
  });
}
