-- The readings in human units, with the names people know a valve by. Factors 0.1, 0.01 and 0.0001 are numeric, so
-- products are exact. A valve without a registry row is included. Only append columns: `create or replace view` refuses others.

create or replace view tasmart_readings as
select
  reading.time,
  reading.tasmart_id,
  valve.short_sn,
  valve.full_sn,
  project.name as project_name,
  valve.backend_ref,
  reading.measured_flow * 0.0001 as flow_m3h,
  reading.measured_power * 0.0001 as power_kw,
  reading.energy_counter_regime_1 as energy_1_kwh,
  reading.energy_counter_regime_2 as energy_2_kwh,
  reading.relative_flow * 0.01 as relative_flow_pct,
  reading.relative_power * 0.01 as relative_power_pct,
  reading.position * 0.01 as position_pct,
  reading.input_signal * 0.1 as input_signal_v,
  reading.local_temp * 0.1 as local_temp_c,
  reading.remote_temp * 0.1 as remote_temp_c,
  -- Seconds since 2000-01-01. A value of more than 32 bits (after 2136) is not a time: it would make the query fail.
  case
    when reading.valve_timestamp between 0 and 4294967295 then to_timestamp(946684800 + reading.valve_timestamp)
  end as valve_time,
  reading.valve_dst,
  reading.error_status,
  valve.user_id,
  reading."timestamp",
  valve.account
from tasmart_data_table as reading
left join tasmart_valves as valve using (tasmart_id)
left join tasmart_projects as project using (project_id);

comment on view tasmart_readings is 'tasmart_data_table in human units, with the valve''s names';
comment on column tasmart_readings.project_name is 'the current name of the project that the valve belongs to now';
comment on column tasmart_readings.backend_ref is 'the register of our own backend that the valve is linked to';
comment on column tasmart_readings.flow_m3h is 'm³/h, mean of 15 s';
comment on column tasmart_readings.power_kw is 'kW, mean of 15 s';
comment on column tasmart_readings.energy_1_kwh is 'kWh since installation, an odometer';
comment on column tasmart_readings.energy_2_kwh is 'kWh since installation, an odometer';
comment on column tasmart_readings.relative_flow_pct is '% of the current maximum flow';
comment on column tasmart_readings.relative_power_pct is '% of the current maximum power';
comment on column tasmart_readings.position_pct is '% of the current maximum opening';
comment on column tasmart_readings.input_signal_v is 'volts';
comment on column tasmart_readings.local_temp_c is 'degrees Celsius';
comment on column tasmart_readings.remote_temp_c is 'degrees Celsius';
comment on column tasmart_readings.valve_time is 'the valve''s own clock, read as UTC';
comment on column tasmart_readings.valve_dst is 'the valve''s daylight-saving switch';
comment on column tasmart_readings.error_status is 'errors and warnings as HyCloud names them';
comment on column tasmart_readings.user_id is 'the name the customer gave the valve';
comment on column tasmart_readings."timestamp" is
  'epoch seconds; with tasmart_id the primary key: the fastest way to select a span of one valve';
comment on column tasmart_readings.account is 'the account of the valve''s project; '''': the unnamed one';
