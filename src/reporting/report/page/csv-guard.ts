/**
 * Guards CSV against texts that a spreadsheet would run as a formula: such a text gets a leading single quote, the guard.
 * A cell may also begin after a semicolon, a tab or a line break: spreadsheets of some locales separate by them. Runs in
 * Node and in the browser.
 *
 * @see https://owasp.org/www-community/attacks/CSV_Injection
 */

/** Matches before each character that would begin a formula. `GUARD` must match the same places. */
const FORMULA = /^(?=[=+\-@\t\r\n＝＋－＠])|(?<=[;\t\r\n][\s"]*)(?=[=+\-@＝＋－＠])/g;

const GUARD = /(?<=^|[;\t\r\n][\s"]*)'(?=[=+\-@\t\r\n＝＋－＠])/g;

export function addGuards(text: string): string {
  return text.replace(FORMULA, "'");
}

/** A text that had such a single quote before loses it. */
export function removeGuards(text: string): string {
  return text.replace(GUARD, '');
}
