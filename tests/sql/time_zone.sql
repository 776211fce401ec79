-- The session zone shows in TIMESTAMP_LTZ.
SET 'table.local-time-zone' = 'Europe/Berlin';
CREATE TABLE moments (n INT, d DATE, t TIME(0), ts TIMESTAMP(3), ms BIGINT)
WITH ('connector' = 'filesystem', 'path' = '${DATA}/moments.json', 'format' = 'json');
SELECT n, CAST(TO_TIMESTAMP_LTZ(ms, 3) AS STRING), CAST(TO_TIMESTAMP_LTZ(ms, 3) AS TIMESTAMP(3)), FROM_UNIXTIME(ms / 1000, 'yyyy-MM-dd HH') FROM moments;
SELECT n, CAST(ts AS TIMESTAMP_LTZ(3)), UNIX_TIMESTAMP(CAST(ts AS STRING)) FROM moments WHERE n IN (1, 2);
