/**
 * The least rights of a role that polls, backfills and lists valves: it can neither change nor delete a reading. The owner
 * of the tables runs `migrate`. sql/README.md, "Roles", describes them.
 */
export const LEAST_RIGHTS = `
grant usage on schema public to tasmart_poller;
grant select on tasmart_migrations, tasmart_project_names to tasmart_poller;
grant select on tasmart_definitions to tasmart_poller;
grant select, insert on tasmart_data_table to tasmart_poller;
grant select, insert, update on tasmart_valves, tasmart_runs, tasmart_backfills to tasmart_poller;
grant select, insert, update on tasmart_projects, tasmart_project_valves, tasmart_target_projects to tasmart_poller;
grant insert on tasmart_project_names, tasmart_valve_history to tasmart_poller;
grant select, insert, update, delete on tasmart_energy, tasmart_checkpoints to tasmart_poller;
grant select, insert, delete on tasmart_counter_events, tasmart_unjudged to tasmart_poller;
grant select, insert, update on tasmart_judgements to tasmart_poller;
grant select, insert on tasmart_settings to tasmart_poller;
grant select on tasmart_corrections to tasmart_poller;
`;
