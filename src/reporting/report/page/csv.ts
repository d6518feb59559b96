/** CSV files of what the page shows, in the format of the program's own: RFC 4180, and no text that a spreadsheet runs. */
export function saveCsv(name: string, rows: readonly (readonly (string | number | null)[])[]): void {
  const text = rows.map((row) => row.map(cell).join(',')).join('\r\n');
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([`${text}\r\n`], { type: 'text/csv' }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** Also behind a semicolon, where an Italian spreadsheet begins a new cell. */
const FORMULA = /^(?=[=+\-@\t\r\n＝＋－＠])|(?<=;[\s"]*)(?=[=+\-@＝＋－＠])/g;

function cell(value: string | number | null): string {
  if (value === null) return '';
  return typeof value === 'number' ? String(value) : `"${value.replace(FORMULA, "'").replaceAll('"', '""')}"`;
}
