/** CSV files of what the page shows, in the format of the program's CSV (reporting/csv.ts): RFC 4180, without formulas. */
export function saveCsv(fileName: string, rows: readonly (readonly (string | number | null)[])[]): void {
  const text = rows.map((row) => row.map(cell).join(',')).join('\r\n');
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([`${text}\r\n`], { type: 'text/csv' }));
  link.download = fileName;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** Matches before a character that would begin a formula; also after a semicolon, where an Italian spreadsheet begins a cell. */
const FORMULA = /^(?=[=+\-@\t\r\n＝＋－＠])|(?<=;[\s"]*)(?=[=+\-@＝＋－＠])/g;

function cell(value: string | number | null): string {
  if (value === null) return '';
  return typeof value === 'number' ? String(value) : `"${value.replace(FORMULA, "'").replaceAll('"', '""')}"`;
}
