/** One customer's access to HyCloud: a user of one server, with a key of its own. */
export interface Account {
  /** as config.json calls it; '' for the targets that name none */
  readonly name: string;
  /** HyCloud's base URL */
  readonly server: string;
  /** tells keys apart without holding them; '' where no key is configured */
  readonly keyId: string;
}

/** How messages begin that concern one account; nothing for the unnamed one. */
export function accountPrefix({ name }: Pick<Account, 'name'>): string {
  return name === '' ? '' : `account "${name}": `;
}
