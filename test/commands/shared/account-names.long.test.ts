import { describe, expect, test } from 'vitest';
import { migrate } from '../../../src/database/migrations.ts';
import { loadSchemaFiles } from '../../../src/database/schema-files.ts';
import { US_PER_HOUR, US_PER_MINUTE } from '../../../src/domain/time.ts';
import { REPOSITORY } from '../../support/build.ts';
import { emptyDatabase } from '../../support/database.ts';
import { accounts, QUIET, setAccountsStage } from './accounts-stage.ts';

const stage = setAccountsStage();
const { project, valvesOf, addKey, tasmart, query, poll, status } = stage;

describe('naming an account that had no name', () => {
  const unnamed = () => ({ target_project_name: project(0).name });

  test('goes on where it was: nothing is fetched again, renamed or lost', async () => {
    const key = addKey('torino', 0);
    const config = unnamed();
    expect(await poll(config, key)).toEqual(QUIET);
    const [valve = ''] = valvesOf(0);
    expect((await tasmart(['link', valve, 'R-1'], config, key)).code).toBe(0);
    project(0).name = 'New name';
    const before = await query('select tasmart_id, synced_until, backend_ref from tasmart_valves order by 1');

    const named = accounts(['torino', key, config.target_project_name]);
    expect(await status(named.config, named.env)).toMatchObject({ code: 0, ids: valvesOf(0) });
    expect(await poll(named.config, named.env)).toEqual({
      code: 0,
      messages: [expect.stringMatching(/was called .* and is now called "New name"/)],
    });
    expect(await query('select tasmart_id, synced_until, backend_ref from tasmart_valves order by 1')).toEqual(before);
    expect(await query('select distinct account from tasmart_valves')).toEqual([{ account: 'torino' }]);
    expect(await query('select account from tasmart_projects')).toEqual([{ account: 'torino' }]);
    expect(await query('select * from tasmart_valve_history')).toEqual([]);
    expect(await status(named.config, named.env)).toMatchObject({ code: 0, ids: valvesOf(0) });
  });

  test('works in a database from before there were accounts, too', async () => {
    const database = await emptyDatabase();
    await stage.replaceDatabase(database);
    const files = await loadSchemaFiles(`${REPOSITORY}sql`);
    const old = { migrations: files.migrations.filter(({ number }) => number < 16), definitions: [] };
    const client = await database.client();
    await migrate(client, old);
    const { id } = project(0);
    const [first = '', second = ''] = valvesOf(0);
    const syncedUs = Math.floor(stage.simulator.clock.now() / (15 * US_PER_MINUTE)) * 15 * US_PER_MINUTE - US_PER_HOUR;
    await client.query(`
      insert into tasmart_projects (project_id, name) values ('${id}', 'Old name');
      insert into tasmart_project_names (project_id, name, is_target) values ('${id}', 'Old name', true);
      insert into tasmart_valves (tasmart_id, project_id, synced_until, backend_ref)
        select valve, '${id}', to_timestamp(${syncedUs / 1e6}), register
        from (values ('${first}', 'R-1'), ('${second}', 'R-2')) as old (valve, register)`);
    project(0).name = 'New name';
    const named = accounts(['torino', addKey('torino', 0), 'Old name']);
    expect((await tasmart(['migrate'], named.config, named.env)).code).toBe(0);

    const unnamed = { target_project_name: 'Old name' };
    expect(await status(unnamed, addKey('torino', 0))).toMatchObject({ ids: valvesOf(0), problems: [] });
    expect(await status(named.config, named.env)).toMatchObject({ ids: valvesOf(0), problems: [] });
    expect((await poll(named.config, named.env)).code).toBe(0);
    expect(
      await query(`select account, backend_ref, count(*)::int as boundaries, synced_until > to_timestamp(${syncedUs / 1e6}) as goes_on
        from tasmart_valves join tasmart_data_table using (tasmart_id) where "time" <= synced_until
        group by tasmart_id order by backend_ref`),
    ).toEqual(
      ['R-1', 'R-2'].map((register) => ({ account: 'torino', backend_ref: register, boundaries: 4, goes_on: true })),
    );
    expect(await query(`select * from tasmart_valve_history where attribute = 'project_id'`)).toEqual([]);
    expect(await status(named.config, named.env)).toMatchObject({ code: 0, ids: valvesOf(0), problems: [] });
  });

  test.each([
    ['by the project', unnamed],
    ['by single valves', () => ({ target_valves: valvesOf(0) })],
  ])('leaves what another key polls without a name, %s, to it until it has not for a week', async (_how, configOf) => {
    const [owner, manager] = [addKey('owner', 0), addKey('manager', 0)];
    expect(await poll(configOf(), owner)).toEqual(QUIET);
    const named = accounts(['manager', manager, project(0).name]);
    const accountAfter = async () => {
      expect(await poll(named.config, named.env)).toEqual(QUIET);
      return query('select distinct account from tasmart_valves');
    };
    expect(await accountAfter()).toEqual([{ account: '' }]);
    await query(`update tasmart_target_projects set resolved_at = now() - interval '8 days' where account = ''`);
    expect(await accountAfter()).toEqual([{ account: 'manager' }]);
  });

  test('anew moves its projects to the new name after a week', async () => {
    const key = addKey('torino', 0);
    const [before, after] = ['torino', 'turin'].map((name) => accounts([name, key, project(0).name]));
    if (!before || !after) return expect.fail('never');
    expect(await poll(before.config, before.env)).toEqual(QUIET);
    await query(`update tasmart_target_projects set resolved_at = now() - interval '8 days'`);
    expect(await poll(after.config, after.env)).toEqual(QUIET);
    expect(await query('select distinct account from tasmart_valves')).toEqual([{ account: 'turin' }]);
  });
});
