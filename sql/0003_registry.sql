-- What is known about projects and valves. Times are when this program saw it, not when it happened.

create table tasmart_projects (
  project_id text primary key,
  name text not null,
  first_seen_at timestamptz not null default now(),
  last_seen_at timestamptz not null default now()
);

-- Append-only, the first name included: config.json may still say a name that the project once bore.
create table tasmart_project_names (
  project_id text not null references tasmart_projects,
  since timestamptz not null default now(),
  name text not null,
  primary key (project_id, since)
);

create table tasmart_valves (
  tasmart_id varchar(255) primary key,
  project_id text references tasmart_projects,
  full_sn text,
  short_sn text,
  cloud_identifier text,
  user_id text,
  kind text,
  fw_version text,
  backend_ref text unique,
  first_seen_at timestamptz not null default now(),
  last_seen_at timestamptz not null default now(),
  synced_until timestamptz,
  last_attempt_at timestamptz
) with (fillfactor = 50); -- every run updates every row: in its own page, without touching the indexes

create table tasmart_valve_history (
  id bigint generated always as identity primary key,
  tasmart_id varchar(255) not null references tasmart_valves,
  changed_at timestamptz not null default now(),
  attribute text not null check (attribute in ('fw_version', 'user_id', 'project_id')),
  old_value text,
  new_value text
);

create index tasmart_valve_history_valve_idx on tasmart_valve_history (tasmart_id, changed_at);

comment on table tasmart_projects is 'HyCloud projects that were polled';
comment on column tasmart_projects.name is 'the name it bears now; users may change it at any time';

comment on table tasmart_project_names is 'every name a project has borne, with the time it was first seen; append-only';

comment on table tasmart_valves is 'TA-Smart valves that were polled; none is ever deleted';
comment on column tasmart_valves.tasmart_id is 'HyCloud''s uuid of the valve';
comment on column tasmart_valves.project_id is 'the project it was last seen in';
comment on column tasmart_valves.full_sn is 'serial number printed on the box, 24 hex digits';
comment on column tasmart_valves.short_sn is 'short serial number, 8 hex digits';
comment on column tasmart_valves.user_id is 'the name the customer gave the valve';
comment on column tasmart_valves.kind is 'model, such as TA-Smart DN32';
comment on column tasmart_valves.backend_ref is 'the register of our own backend it is linked to';
comment on column tasmart_valves.last_seen_at is 'when HyCloud last listed it';
comment on column tasmart_valves.synced_until is 'everything HyCloud has before this time is stored';
comment on column tasmart_valves.last_attempt_at is 'when a run last tried to read it';

comment on table tasmart_valve_history is 'one row for every change of a valve; append-only';
comment on column tasmart_valve_history.attribute is 'the column of tasmart_valves that changed';
