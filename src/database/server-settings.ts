/** How to reach a PostgreSQL server, and how to log in. */
export interface ServerSettings {
  /** host name, address, or the folder of a unix socket */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string | null;
  readonly database: string;
  readonly sslMode: 'disable' | 'require' | 'verify-ca' | 'verify-full';
  readonly sslCaFile: string | null;
  readonly sslCertFile?: string | null;
  readonly sslKeyFile?: string | null;
  /** a shell command that prints the password, see password.ts */
  readonly passwordCommand?: string | null;
}
