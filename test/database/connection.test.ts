import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { withConnection, type Database } from '../../src/database/connection.ts';
import { emptyDatabase, type TestDatabase } from '../support/database.ts';

const [QUERY, TERMINATE] = ['Q'.charCodeAt(0), 'X'.charCodeAt(0)];

let database: TestDatabase;
const opened: (() => void)[] = [];
beforeEach(async () => {
  database = await emptyDatabase();
});
afterEach(async () => {
  for (const close of opened.splice(0)) close();
  await database.drop();
});

/** A way to the server on which everything is lost, in both directions, from this kind of message on. */
async function brokenAt(messageType: number): Promise<number> {
  const proxy = createServer({ allowHalfOpen: true }, (client) => {
    const server = connect(database.port, database.host);
    let isLost = false;
    client.on('data', (chunk) => {
      isLost ||= chunk[0] === messageType;
      if (!isLost) server.write(chunk);
    });
    server.on('data', (chunk) => isLost || client.write(chunk));
    for (const socket of [client, server]) socket.on('error', () => undefined);
    opened.push(() => [client, server].forEach((socket) => socket.destroy()));
  });
  opened.push(() => proxy.close());
  await once(proxy.listen(0, '127.0.0.1'), 'listening');
  return (proxy.address() as AddressInfo).port;
}

function session<T>(port: number, use: (db: Database) => Promise<T>): Promise<T> {
  const { user, password } = database;
  const server = { host: '127.0.0.1', port, user, password, database: database.database } as const;
  const options = { applicationName: 'test', giveUp: new AbortController().signal, answerLimitMs: 300 };
  return withConnection({ ...server, sslMode: 'disable', sslCaFile: null }, options, use);
}

describe('a network that swallows everything', () => {
  test('right after the login is an error, after the time limit', async () => {
    await expect(session(await brokenAt(QUERY), () => Promise.resolve())).rejects.toThrow('no answer within 0.3 s');
  });

  test('at the end keeps nobody: what was done is done', async () => {
    expect(await session(await brokenAt(TERMINATE), (db) => db.query('select 1 as one'))).toEqual([{ one: 1 }]);
  });
});

test('a password that is asked for and not there is a matter of credentials', async () => {
  const { host, port, user } = database;
  const server = { host, port, user, password: null, database: database.database, sslCaFile: null } as const;
  const options = { applicationName: 'test', giveUp: new AbortController().signal };
  const opening = withConnection({ ...server, sslMode: 'disable' }, options, () => Promise.resolve());
  await expect(opening).rejects.toMatchObject({
    kind: 'credentials',
    remedy: expect.stringContaining('set DB_PASS') as string,
  });
});

test('a transaction with a failed statement that nobody heard of is an error, for nothing of it is stored', async () => {
  await session(database.port, async (db) => {
    await db.query('create table stored (n integer)');
    const work = async () => {
      await db.query('insert into stored values (1)');
      await db.query('select 1 / 0').catch(() => undefined);
    };
    await expect(db.transaction(work)).rejects.toThrow('nothing was stored');
    expect(await db.query('select from stored')).toEqual([]);
  });
});
