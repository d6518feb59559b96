/** The table of all valves: search, filters, order, and how many rows are shown. */
import { saveCsv } from './csv.ts';
import { readHash, setValues } from './hash.ts';
import { groupThousands } from './numbers.ts';

/** More rows are shown when they are asked for. page/table.css hides the same rows until the script runs. */
const FIRST_ROWS = 100;

/** The names of the form's fields, which are also their keys in the address. */
const FILTERS = ['q', 'account', 'project', 'problem'] as const;

interface Order {
  column: number;
  isDescending: boolean;
}

export function connectOverview(): void {
  const table = document.querySelector<HTMLTableElement>('#overview-table');
  const form = document.querySelector<HTMLFormElement>('.filters');
  const body = table?.tBodies[0];
  if (!table || !form || !body) return;
  const heads = [...table.querySelectorAll<HTMLElement>('thead th')];
  const rows = [...body.rows];
  const more = document.getElementById('more');
  const count = document.getElementById('count');
  const field = (name: string) => form.elements.namedItem(name) as HTMLInputElement | HTMLSelectElement | null;
  let showsAll = false;

  /** By default, the valve that consumes most comes first. */
  const currentOrder = (): Order => {
    const [, column, descending] = /^(\d+)(-?)$/.exec(readHash(location.hash).values.get('sort') ?? '') ?? [];
    if (column !== undefined) return { column: Number(column), isDescending: descending === '-' };
    return { column: heads.findIndex((head) => head.textContent.trim() === 'kWh'), isDescending: true };
  };
  const foundRows = (): HTMLTableRowElement[] => {
    const { values } = readHash(location.hash);
    const wanted = rows.filter((row) => isWanted(row, values));
    return sortRows(wanted, currentOrder());
  };
  /** Shows what the address asks for. */
  const apply = (): void => {
    const { values } = readHash(location.hash);
    for (const name of FILTERS) {
      const input = field(name);
      const value = values.get(name) ?? '';
      if (input && input.value !== value) input.value = value;
    }
    const order = currentOrder();
    heads.forEach((head, index) => {
      if (index === order.column) head.setAttribute('aria-sort', order.isDescending ? 'descending' : 'ascending');
      else head.removeAttribute('aria-sort');
    });
    const found = foundRows();
    const shown = showsAll ? found : found.slice(0, FIRST_ROWS);
    body.replaceChildren(...shown);
    if (count) {
      const total = `${groupThousands(rows.length)} valves`;
      count.textContent = found.length === rows.length ? total : `${groupThousands(found.length)} of ${total}`;
    }
    if (more) {
      more.hidden = shown.length === found.length;
      more.textContent = `Show all ${groupThousands(found.length)}`;
    }
  };
  const showAll = (): void => {
    showsAll = true;
    apply();
  };
  heads.forEach((head, index) => {
    const { kind } = head.dataset;
    if (kind === 'plain') return;
    const button = document.createElement('button');
    button.type = 'button';
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener('click', () => {
      const { column, isDescending } = currentOrder();
      // A second click turns the order around. At first, texts ascend and numbers descend.
      const descends = column === index ? !isDescending : kind !== '';
      setValues({ sort: `${index}${descends ? '-' : ''}` });
      apply();
    });
  });
  form.addEventListener('input', () => {
    setValues(Object.fromEntries(FILTERS.map((name) => [name, field(name)?.value ?? ''])));
    apply();
  });
  form.addEventListener('submit', (event) => event.preventDefault());
  more?.addEventListener('click', showAll);
  document.getElementById('table-csv')?.addEventListener('click', () => {
    saveCsv('valves.csv', [heads.map((head) => head.textContent.trim()), ...foundRows().map(csvCells)]);
  });
  addEventListener('hashchange', apply);
  addEventListener('beforeprint', showAll);
  apply();
}

/** Whether the row matches the filters of the address. '' means all. overview-table.ts writes the attributes. */
function isWanted(row: HTMLTableRowElement, values: URLSearchParams): boolean {
  const filter = (name: (typeof FILTERS)[number]): string => values.get(name) ?? '';
  const words = filter('q').toLowerCase().split(/\s+/);
  const [account, project, problem] = [filter('account'), filter('project'), filter('problem')];
  const problems = row.dataset['problems'] ?? ' ';
  return (
    words.every((word) => row.dataset['search']?.includes(word)) &&
    (account === '' || row.dataset['account'] === account) &&
    (project === '' || row.dataset['project'] === project) &&
    (problem === '' || (problem === 'any' ? problems.trim() !== '' : problems.includes(` ${problem} `)))
  );
}

/** Numbers by value, texts by the alphabet. Unknown values always come last. */
function sortRows(rows: readonly HTMLTableRowElement[], { column, isDescending }: Order): HTMLTableRowElement[] {
  const collator = new Intl.Collator('en', { numeric: true });
  const keyed = rows.map((row) => {
    const cell = row.cells[column];
    const value = cell?.dataset['v'];
    const text = column === 0 ? nameOf(row) : (value ?? cell?.textContent.trim() ?? '');
    return { row, text, number: value === undefined ? null : Number(value) };
  });
  const sign = isDescending ? -1 : 1;
  keyed.sort((a, b) => {
    if ((a.text === '') !== (b.text === '')) return a.text === '' ? 1 : -1;
    return sign * (a.number !== null && b.number !== null ? a.number - b.number : collator.compare(a.text, b.text));
  });
  return keyed.map(({ row }) => row);
}

/** The valve's name. Its cell also holds its state, in words that are hidden. */
function nameOf(row: HTMLTableRowElement): string {
  return row.cells[0]?.querySelector('a')?.textContent ?? '';
}

/** A row as numbers and plain texts. */
function csvCells(row: HTMLTableRowElement): (string | number | null)[] {
  return [...row.cells].map((cell, index) => {
    if (index === 0) return nameOf(row);
    const strip = cell.querySelector('svg');
    if (strip) return strip.getAttribute('aria-label') ?? '';
    const value = cell.dataset['v'];
    // Problems and the newest reading are texts; their numbers are only for sorting.
    const isText = value === undefined || cell.classList.contains('text') || /[a-z]/i.test(cell.textContent);
    if (isText) return cell.textContent.trim().replace(/\s+/g, ' ');
    return value === '' ? null : Number(value);
  });
}
