import { describe, expect, test } from 'vitest';
import { createValve } from '../../../scripts/simulator/fleet.ts';
import type { SimulatedRequest } from '../../../scripts/simulator/faults.ts';
import { US_PER_HOUR, US_PER_MINUTE } from '../../../src/domain/time.ts';
import { accounts, nowUs, QUIET, setAccountsStage } from './accounts-stage.ts';

const stage = setAccountsStage();
const { project, valvesOf, addKey, tasmart, query, poll, status } = stage;

const SEDE = { target_project_name: 'Sede' };

describe('what is watched is what is polled', () => {
  test('two keys, each with a project of the same name: each watches its own', async () => {
    project(0).name = project(1).name = 'Sede';
    const [first, second] = [addKey('first', 0), addKey('second', 1)];
    expect(await poll(SEDE, first)).toEqual(QUIET);
    expect(await status(SEDE, second)).toMatchObject({
      code: 1,
      ids: [],
      problems: ['no valve of project "Sede" was ever polled'],
    });
    stage.simulator.clock.set(nowUs() - 5 * US_PER_HOUR);
    expect(await poll(SEDE, second)).toEqual(QUIET);
    stage.simulator.clock.set(nowUs());
    expect(await poll(SEDE, first)).toEqual(QUIET);
    expect(await status(SEDE, first)).toEqual({ code: 0, ids: valvesOf(0), late: false, problems: [] });
    expect(await status(SEDE, second)).toEqual({ code: 1, ids: valvesOf(1), late: true, problems: [] });
    expect(await poll(SEDE, second)).toEqual(QUIET);
    expect(await status(SEDE, second)).toMatchObject({ code: 0, ids: valvesOf(1) });
    // A machine without a key watches what every key polls.
    const all = [...valvesOf(0), ...valvesOf(1)].sort();
    expect(await status(SEDE, { API_KEY: '' })).toMatchObject({ code: 0, ids: all });
    const { stdout } = await tasmart(['status', '--format', 'json'], SEDE, { API_KEY: '' });
    expect(JSON.parse(stdout)).toMatchObject({ last_run: { valves: 3 } });
    const single = { target_valves: valvesOf(1) };
    expect(await status(single, second)).toMatchObject({ code: 0, ids: valvesOf(1) });
    expect(await status(single, first)).toMatchObject({ code: 1, ids: [] });
  });

  test('a project that was deleted and made again, with its valves and new ones, is the one that is watched', async () => {
    project(0).name = 'Sede';
    expect(await poll(SEDE)).toEqual(QUIET);
    const [moved, dead] = [...project(0).valves.values()];
    const added = createValve(1, 77);
    if (!moved || !dead) return expect.fail('no valves');
    Object.assign(project(0), { id: '00000000-0000-4000-8000-000000000001' });
    project(0).valves.delete(dead.id);
    project(0).valves.set(added.id, added);
    const { code, messages } = await poll(SEDE);
    expect([code, messages]).toEqual([0, [expect.stringContaining('is polled in its place')]]);
    expect(await poll(SEDE)).toEqual(QUIET);
    expect(await status(SEDE)).toEqual({ code: 0, ids: [moved.id, added.id].sort(), late: false, problems: [] });
  });

  test('a second project of the configured name is told in every run', async () => {
    project(0).name = 'Sede';
    expect(await poll(SEDE)).toEqual(QUIET);
    project(1).name = 'Sede';
    for (let run = 0; run < 2; run += 1) {
      expect(await poll(SEDE)).toEqual({
        code: 0,
        messages: [
          `another project, ${project(1).id}, is called "Sede" too, and is not polled; to choose, set target_project_id`,
        ],
      });
    }
  });
});

const valveRow = (id: string) =>
  `select valve.account, project.name as project from tasmart_valves as valve join tasmart_projects as project using (project_id)
   where tasmart_id = '${id}'`;

describe('a valve in two projects', () => {
  test('has one row, that of the first target; both watch it, and nothing flips', async () => {
    const [shared] = [...project(0).valves.values()];
    if (!shared) return expect.fail('no valve');
    project(1).valves.set(shared.id, shared);
    const [owner, manager] = [addKey('owner', 0), addKey('manager', 1)];
    const names = [project(0).name, project(1).name] as const;
    const both = accounts(['owner', owner, names[0]], ['manager', manager, names[1]]);
    const points = () => stage.simulator.log.filter(({ path }) => path.includes(`${shared.id}/data`)).length;

    const quarterUs = 15 * US_PER_MINUTE;
    stage.simulator.clock.set(Math.floor(nowUs() / quarterUs) * quarterUs - 8 * US_PER_MINUTE); // between two boundaries
    expect(await poll(both.config, both.env)).toEqual(QUIET);
    expect(points()).toBe(1);
    // As two configurations would, in turn.
    for (const [account, key, name] of [
      ['manager', manager, names[1]],
      ['owner', owner, names[0]],
      ['manager', manager, names[1]],
    ] as const) {
      const { config, env } = accounts([account, key, name]);
      expect(await poll(config, env)).toEqual(QUIET);
    }
    expect(await query(valveRow(shared.id))).toEqual([{ account: 'owner', project: names[0] }]);
    expect(await query('select * from tasmart_valve_history')).toEqual([]);
    // As after a week in which the owner's list could never be read in full.
    const owned = `where name = '${names[0].replaceAll("'", "''")}'`;
    await query(`update tasmart_projects set last_seen_at = last_seen_at - interval '8 days' ${owned}`);
    await query(`update tasmart_valves set last_seen_at = last_seen_at - interval '1 hour'`);
    const alone = accounts(['manager', manager, names[1]]);
    expect(await poll(alone.config, alone.env)).toEqual(QUIET);
    expect(
      await query(
        `select tasmart_id from tasmart_valves where last_seen_at > now() - interval '30 minutes' order by 1`,
      ),
    ).toEqual(valvesOf(1).map((id) => ({ tasmart_id: id })));
    expect(await query('select * from tasmart_valve_history')).toEqual([]);
    await query(`update tasmart_projects set last_seen_at = now() ${owned}`);
    expect(await query(`select distinct project_name from tasmart_readings where tasmart_id = '${shared.id}'`)).toEqual(
      [{ project_name: names[0] }],
    );
    for (const [account, key, index] of [
      ['owner', owner, 0],
      ['manager', manager, 1],
    ] as const) {
      const { config, env } = accounts([account, key, names[index]]);
      expect(await status(config, env)).toEqual({ code: 0, ids: valvesOf(index), late: false, problems: [] });
    }
  });

  test.each([
    ['the key is refused', 401],
    ['HyCloud cannot read it', 400],
  ])('is polled by the second account where it fails for the first: %s', async (_why, status) => {
    const [shared] = [...project(0).valves.values()];
    if (!shared) return expect.fail('no valve');
    project(1).valves.set(shared.id, shared);
    const { config, env } = accounts(
      ['owner', addKey('owner', 0), project(0).name],
      ['manager', addKey('manager', 1), project(1).name],
    );
    const isBy = (key: string, { headers }: SimulatedRequest) => headers['authorization'] === `ApiKey ${key}`;
    stage.simulator.faults.add({
      match: (request) => isBy('owner', request) && request.valveId !== null,
      fault: { kind: 'status', status },
    });
    // So that the owner comes first.
    stage.simulator.faults.add({ match: (request) => isBy('manager', request), fault: { kind: 'delay', ms: 200 } });
    expect((await poll(config, env)).code).toBe(2);
    expect(await query('select distinct tasmart_id from tasmart_data_table order by 1')).toEqual(
      valvesOf(1).map((id) => ({ tasmart_id: id })),
    );
  });

  test('passes to the other project once its own lists it no more', async () => {
    const [shared] = [...project(0).valves.values()];
    if (!shared) return expect.fail('no valve');
    project(1).valves.set(shared.id, shared);
    const both = { targets: [{ project_id: project(0).id }, { project_id: project(1).id }] };
    expect(await poll(both)).toEqual(QUIET);
    project(0).valves.delete(shared.id);
    expect(await poll(both)).toEqual(QUIET);
    expect(await query(valveRow(shared.id))).toEqual([{ account: '', project: project(1).name }]);
    expect(await query('select attribute, new_value from tasmart_valve_history')).toEqual([
      { attribute: 'project_id', new_value: project(1).id },
    ]);
  });
});
