/** The database in which histories are acted out. */
import type pg from 'pg';
import type { ServerSettings } from '../../src/domain/database-settings.ts';
import { freshDatabase } from '../support/database.ts';

export interface Stage {
  settings: ServerSettings;
  url: string;
  /** a session of the test, for queries */
  admin: pg.Client;
  /** a session of the test that holds locks */
  rival: pg.Client;
  /** Empties the tables, before each history. */
  clear: () => Promise<void>;
  close: () => Promise<void>;
}

/** Fails as on a full disk (53100) in a session that has set test.full_disk to the name of the table: see injector.ts. */
const FULL_DISK = `
  create function test_full_disk() returns trigger language plpgsql as $$
  begin
    if current_setting('test.full_disk', true) = tg_table_name then
      raise exception 'could not extend file: No space left on device' using errcode = 'disk_full';
    end if;
    return new;
  end $$;
  create trigger full_disk before insert on tasmart_data_table for each row execute function test_full_disk();
  create trigger full_disk before update on tasmart_valves for each row execute function test_full_disk();`;

const CLEAR = `
  delete from tasmart_energy; delete from tasmart_counter_events; delete from tasmart_judgements;
  delete from tasmart_checkpoints; delete from tasmart_unjudged; delete from tasmart_settings;
  delete from tasmart_data_table; delete from tasmart_backfills; delete from tasmart_valve_history;
  delete from tasmart_valves; delete from tasmart_project_names; delete from tasmart_project_valves;
  delete from tasmart_target_projects; delete from tasmart_projects; delete from tasmart_runs;`;

export async function createStage(): Promise<Stage> {
  const database = await freshDatabase();
  const [admin, rival] = [await database.client(), await database.client()];
  await admin.query(FULL_DISK);
  const { host, port, user, password } = database;
  const server = { host, port, user, password, database: database.database };
  return {
    settings: { ...server, sslMode: 'disable', sslCaFile: null },
    url: database.url,
    admin,
    rival,
    clear: async () => {
      await admin.query(CLEAR);
    },
    close: () => database.drop(),
  };
}
