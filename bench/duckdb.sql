-- The response exhaust of a conversation. Every column has its type, so that nothing is guessed, and only what the file needs is
-- read: of edata just that by which answers of one second and one device differ. To find the conversation's id in the text of
-- a line first, and read the fields of these lines only, takes DuckDB longer.
COPY (
  WITH matching AS (
    SELECT mid, ets, "@timestamp" AS stamp, context.did AS did, context.sid AS sid, context.rollup AS rollup, edata
    FROM read_json({{quote .Objects}}, format = 'newline_delimited', compression = 'gzip', ignore_errors = true, maximum_object_size = 16777216,
      columns = {
        eid: 'VARCHAR', mid: 'VARCHAR', ets: 'DOUBLE', "@timestamp": 'VARCHAR',
        context: 'STRUCT(channel VARCHAR, did VARCHAR, sid VARCHAR, cdata STRUCT("type" VARCHAR, id VARCHAR)[], rollup STRUCT(l3 VARCHAR, l4 VARCHAR, l5 VARCHAR))',
        edata: 'STRUCT(item STRUCT(id VARCHAR, "type" VARCHAR, title VARCHAR, "desc" VARCHAR, maxscore DOUBLE, params JSON), duration DOUBLE, score DOUBLE, resvalues JSON)'
      })
    WHERE eid = 'ASSESS' AND context.channel = {{quote .Channel}}
      AND list_contains(context.cdata, {'type': 'Conversation', 'id': {{quote .Conversation}}})
  ), timed AS (
    SELECT *, coalesce(epoch_ms(stamp::TIMESTAMP), ets) AS time FROM matching
  ), distinct_events AS (
    SELECT * FROM timed QUALIFY row_number() OVER (PARTITION BY mid, lower(did), ets, edata ORDER BY time, did) = 1
  )
  SELECT
    mid AS "Message ID",
    {{quote .Conversation}} AS "Conversation ID",
    {{quote .Name}} AS "Conversation Name",
    did AS "Device ID",
    coalesce(nullif(sid, ''), rollup.l5) AS "Session ID",
    edata.item.id AS "Question Id",
    edata.item."type" AS "Question Type",
    edata.item.title AS "Question Title",
    edata.item."desc" AS "Question Description",
    floor(edata.duration + 0.5)::BIGINT AS "Question Duration",
    CASE WHEN edata.score = trunc(edata.score) THEN edata.score::BIGINT::VARCHAR ELSE edata.score::VARCHAR END AS "Question Score",
    CASE WHEN edata.item.maxscore = trunc(edata.item.maxscore) THEN edata.item.maxscore::BIGINT::VARCHAR ELSE edata.item.maxscore::VARCHAR END AS "Question Max Score",
    edata.item.params AS "Question Options",
    CASE WHEN NOT refused THEN edata.resvalues END AS "Question Response",
    rollup.l3 AS "X Path",
    rollup.l4 AS "Eof",
    coalesce(stamp, strftime(make_timestamp(ets::BIGINT * 1000), '%Y-%m-%dT%H:%M:%S.%gZ')) AS "Timestamp"
  FROM distinct_events
    JOIN read_csv({{quote .Devices}}, header = false, columns = {id: 'VARCHAR', refused: 'BOOLEAN'}) AS devices ON devices.id = lower(did)
  ORDER BY time, mid, did, ets, edata.duration, edata.item."desc", edata.item.id
) TO {{quote .Output}} (HEADER);
