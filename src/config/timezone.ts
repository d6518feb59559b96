/** Whether a text names a time zone of the IANA database; by Node's own copy, so that a poll need not load Luxon. */
export function isTimeZone(name: string): boolean {
  // Later Node takes offsets too, of which PostgreSQL turns the sign round.
  if (!/^[a-z]/i.test(name)) return false;
  try {
    new Intl.DateTimeFormat('en-US', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
