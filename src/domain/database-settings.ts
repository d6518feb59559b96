/** How to reach the database, and how to log in. */
export type DatabaseSettings = ServerSettings | { readonly embeddedFolder: string };

export interface ServerSettings {
  readonly embeddedFolder?: never;
  /** host name, address, or the folder of a unix socket */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string | null;
  /** a shell command that prints the password; run for each connection */
  readonly passwordCommand?: string | null;
  readonly database: string;
  readonly sslMode: SslMode;
  /** file with the CA certificates to trust */
  readonly sslCaFile: string | null;
  /** files with the certificate and the key that we show to the server */
  readonly sslCertFile?: string | null;
  readonly sslKeyFile?: string | null;
}

export type SslMode = 'disable' | 'require' | 'verify-ca' | 'verify-full';
