/** CSV files of what the page shows, by RFC 4180, without formulas. */
import { addGuards } from './csv-guard.ts';

export function saveCsv(fileName: string, rows: readonly (readonly (string | number | null)[])[]): void {
  const text = rows.map((row) => row.map(cell).join(',')).join('\r\n');
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([`${text}\r\n`], { type: 'text/csv' }));
  link.download = fileName;
  link.click();
  // The browser needs the URL until it has saved the file.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

function cell(value: string | number | null): string {
  if (value === null) return '';
  return typeof value === 'number' ? String(value) : `"${addGuards(value).replaceAll('"', '""')}"`;
}
