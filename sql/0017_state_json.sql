-- tasmart reads and writes a state as a whole. json keeps it as text, so the server need not convert its numbers in every run.
alter table tasmart_judgements alter column state drop default, alter column state type json, alter column state set default '{}';
alter table tasmart_checkpoints alter column state type json;
