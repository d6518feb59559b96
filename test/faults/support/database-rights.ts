/**
 * What a role needs to poll, backfill and list valves, and no more: it can neither change nor delete a reading. See
 * sql/README.md, "Roles". `migrate` is for the owner of the tables.
 */
export const LEAST_RIGHTS = `
grant usage on schema public to tasmart_poller;
grant select on tasmart_migrations, tasmart_project_names to tasmart_poller;
grant select on tasmart_definitions to tasmart_poller;
grant select, insert on tasmart_data_table to tasmart_poller;
grant select, insert, update on tasmart_valves, tasmart_runs, tasmart_backfills to tasmart_poller;
grant select, insert, update on tasmart_projects, tasmart_project_valves, tasmart_target_projects to tasmart_poller;
grant insert on tasmart_project_names, tasmart_valve_history to tasmart_poller;
`;
