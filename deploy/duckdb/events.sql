-- OOMs of many machines as tables, from lines of JSON (oomtrace/2). Run it where the folder events/ is.
-- docs/fleet.md has queries.
CREATE OR REPLACE TEMP TABLE events AS
SELECT
    event,
    explanation,
    event ->> '$.kind' AS kind,
    coalesce(event ->> '$.origin.machine_id', event ->> '$.origin.host') AS machine,
    event ->> '$.origin.host' AS host,
    event ->> '$.origin.boot_id' AS boot,
    make_timestamp((event ->> '$.origin.unix_ns')::BIGINT // 1000) AS began,  -- UTC; NULL of a log
    explanation ->> '$.headline' AS headline
FROM read_ndjson('events/*.jsonl', columns = {schema: 'VARCHAR', event: 'JSON', explanation: 'JSON'},
                 maximum_object_size = 268435456);

-- An OOM a row.
CREATE OR REPLACE TEMP VIEW ooms AS
SELECT
    * EXCLUDE (explanation),
    event ->> '$.report.memcg.path' AS memcg,
    (event ->> '$.report.memcg.memory.limit_kb')::BIGINT AS limit_kb,
    (event ->> '$.report.memcg.memory.usage_kb')::BIGINT AS usage_kb,
    event ->> '$.report.kills[0].comm' AS victim,
    (event ->> '$.report.kills[0].anon_rss_kb')::BIGINT AS victim_anon_kb,
    json_array_length(event, '$.report.kills') AS kills
FROM events
WHERE kind <> 'killed' AND event ->> '$.trace.wait' IS NULL AND event ->> '$.trace.failure' IS NULL;

-- A kill by somebody else a row.
CREATE OR REPLACE TEMP VIEW other_kills AS
SELECT
    * EXCLUDE (explanation),
    event ->> '$.killed.how' AS how,
    event ->> '$.killed.sender.comm' AS sender,
    event ->> '$.killed.victims[0].comm' AS victim,
    event ->> '$.killed.victims[0].memcg' AS memcg,
    json_array_length(event, '$.killed.victims') AS victims
FROM events
WHERE kind = 'killed';
