/** One customer's access to HyCloud: a server and a key. */
export interface Account {
  /** its name in config.json; '' for targets without an account */
  readonly name: string;
  /** HyCloud's base URL */
  readonly server: string;
  /** hash that identifies the key; '' if no key is configured */
  readonly keyId: string;
}

/** The prefix of messages about one account. Empty for the unnamed account. */
export function accountPrefix({ name }: Pick<Account, 'name'>): string {
  return name === '' ? '' : `account "${name}": `;
}
