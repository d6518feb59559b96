create table tasmart_runs (
  id bigint generated always as identity primary key,
  started_at timestamptz not null default now(),
  finished_at timestamptz,
  mode text not null,
  shard text,
  outcome text check (outcome in ('success', 'partial', 'failed', 'interrupted', 'killed')),
  host text not null,
  version text not null,
  valves integer not null default 0,
  stored integer not null default 0,
  unchanged integer not null default 0,
  silent integer not null default 0,
  failed integer not null default 0,
  requests integer not null default 0,
  retries integer not null default 0,
  error text
);

-- The last run, of either mode, and the runs that a killed process left open.
create index tasmart_runs_started_at_idx on tasmart_runs (started_at);
create index tasmart_runs_shard_idx on tasmart_runs (shard, started_at) where shard is not null;
create index tasmart_runs_unfinished_idx on tasmart_runs (id) where outcome is null;

comment on table tasmart_runs is 'one row a run';
comment on column tasmart_runs.finished_at is 'null while it runs, and for ever if it was killed';
comment on column tasmart_runs.mode is 'poll or backfill';
comment on column tasmart_runs.shard is 'the part of the valves it was for, such as 2/4; null: all of them';
comment on column tasmart_runs.outcome is 'null while it runs; killed: found unfinished by a later run';
comment on column tasmart_runs.version is 'of tasmart';
comment on column tasmart_runs.valves is 'valves it was to read';
comment on column tasmart_runs.stored is 'readings stored';
comment on column tasmart_runs.unchanged is 'valves with nothing new';
comment on column tasmart_runs.silent is 'valves that HyCloud has no points of';
comment on column tasmart_runs.failed is 'valves that could not be read whole';
comment on column tasmart_runs.requests is 'requests to HyCloud, retries included';
comment on column tasmart_runs.retries is 'requests that repeated a failed one';
comment on column tasmart_runs.error is 'what went wrong, in words; free of secrets';
