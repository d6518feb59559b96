-- A name in config.json goes on meaning the project that it meant when it was first polled by that name. That a project
-- bore it while it was polled by its id, or by another name, says nothing.
alter table tasmart_project_names add column is_target boolean not null default true;
alter table tasmart_project_names alter column is_target set default false;

comment on column tasmart_project_names.is_target is 'it was polled by this name: config.json goes on meaning it';
