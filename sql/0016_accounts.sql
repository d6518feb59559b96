-- Several customers in one database: each has an account, a user of HyCloud with a key of its own.
-- Everything that is there belongs to the unnamed account ('').

alter table tasmart_projects add column account text not null default '';
alter table tasmart_valves add column account text not null default '';
alter table tasmart_valve_history add column account text not null default '';

comment on column tasmart_projects.account is 'the first account of config.json that lists it; '''': the unnamed one';
comment on column tasmart_valves.account is 'the account of its project';
comment on column tasmart_valves.project_id is
  'the project it belongs to: of those that list it, the one of the first target in config.json';
comment on column tasmart_valve_history.account is 'the account that saw the change';

-- A register may be named alike in two accounts. "tasmart link" keeps it unique within one: a constraint would fail the
-- poll that finds a valve under another account.
alter table tasmart_valves drop constraint tasmart_valves_backend_ref_key;
create index tasmart_valves_backend_ref_idx on tasmart_valves (backend_ref) where backend_ref is not null;

-- A valve may be in several projects. The last list of a project holds the valves with its own last_seen_at.
create table tasmart_project_valves (
  project_id text not null references tasmart_projects,
  tasmart_id varchar(255) not null,
  first_seen_at timestamptz not null default now(),
  last_seen_at timestamptz not null default now(),
  primary key (project_id, tasmart_id)
) with (fillfactor = 50); -- every run updates every row, as in tasmart_valves
create index tasmart_project_valves_valve_idx on tasmart_project_valves (tasmart_id);

comment on table tasmart_project_valves is 'which valves each polled project lists, polled or not; no row is ever deleted';
comment on column tasmart_project_valves.last_seen_at is 'when the project last listed the valve';

-- Until now a project counted as seen a moment after its valves.
insert into tasmart_project_valves (project_id, tasmart_id, first_seen_at, last_seen_at)
select project_id, tasmart_id, valve.first_seen_at,
  case
    when valve.last_seen_at >= project.last_seen_at - interval '1 day' then greatest(valve.last_seen_at, project.last_seen_at)
    else valve.last_seen_at
  end
from tasmart_valves as valve
join tasmart_projects as project using (project_id);

create table tasmart_target_projects (
  account text not null,
  server text not null,
  key_id text not null,
  target text not null,
  project_id text not null references tasmart_projects,
  resolved_at timestamptz not null default now(),
  primary key (account, server, key_id, target)
);

comment on table tasmart_target_projects is 'the project that each target of config.json meant when it was last polled';
comment on column tasmart_target_projects.server is 'HyCloud''s base URL; '''': from before there were accounts';
comment on column tasmart_target_projects.key_id is 'half a hash of server and key; '''': from before there were accounts';
comment on column tasmart_target_projects.target is 'the project''s name, in Unicode''s NFC, or its id';

-- A name went on meaning the project that was first polled by it.
insert into tasmart_target_projects (account, server, key_id, target, project_id, resolved_at)
select distinct on (normalize(name, nfc)) '', '', '', normalize(name, nfc), project_id, since
from tasmart_project_names
where is_target
order by normalize(name, nfc), since, project_id;

alter table tasmart_project_names drop column is_target;

alter table tasmart_runs add column account text not null default '';
alter table tasmart_runs add column key_id text not null default '';
alter table tasmart_runs add column process_id integer;
alter table tasmart_runs add column session_id integer;
alter table tasmart_runs drop constraint tasmart_runs_outcome_check;
alter table tasmart_runs add constraint tasmart_runs_outcome_check
  check (outcome in ('success', 'partial', 'failed', 'interrupted', 'killed', 'locked'));

-- The last runs of an account, and how often a run found another one at work.
create index tasmart_runs_account_idx on tasmart_runs (account, started_at);
create index tasmart_runs_locked_idx on tasmart_runs (account) where outcome = 'locked';

comment on table tasmart_runs is 'one row a run and account';
comment on column tasmart_runs.outcome is
  'null while it runs; killed: found unfinished by a later run; locked: another run was under way, nothing was done';
comment on column tasmart_runs.key_id is 'tells the account''s keys apart, as in tasmart_target_projects';
comment on column tasmart_runs.process_id is 'of tasmart, on its host';
comment on column tasmart_runs.session_id is 'the server process (pg_stat_activity.pid) that holds the run''s lock';
