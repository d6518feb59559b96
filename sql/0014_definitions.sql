-- Functions and views are in definitions/. tasmart_definitions records which content of each file was applied last.
create table tasmart_definitions (
  name text primary key,
  sha256 text not null,
  applied_at timestamptz not null default now()
);

comment on table tasmart_definitions is 'the files of functions and views, as they were last applied';

-- A database that had migration 0010 has this index.
set local client_min_messages = warning;

-- Answers at once that regime 2 is null in all of a valve's readings, or that its counter never stood a little above its
-- present value. Regime 2 is null or 0 on most sites, for years, and B-tree deduplication keeps the index small.
-- The condition keeps the planner from reading a valve's rows through this index, out of order.
create index if not exists tasmart_data_table_regime_2_idx on tasmart_data_table (tasmart_id, energy_counter_regime_2)
  where energy_counter_regime_2 is not null;
