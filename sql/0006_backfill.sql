-- How far backfills have come, so that one that was interrupted goes on where it stopped.

create table tasmart_backfills (
  tasmart_id varchar(255) not null references tasmart_valves,
  interval_minutes integer not null,
  covered tstzmultirange not null,
  primary key (tasmart_id, interval_minutes)
);

comment on table tasmart_backfills is 'the stretches of each valve''s history that a backfill has stored';
comment on column tasmart_backfills.interval_minutes is 'the grid the readings were taken on';
comment on column tasmart_backfills.covered is 'every boundary in (lower, upper] is stored, where HyCloud has a point for it';
