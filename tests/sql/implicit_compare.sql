-- Comparing texts with numbers and times.
CREATE TABLE texts (n INT, s STRING, p STRING, j STRING)
WITH ('connector' = 'filesystem', 'path' = '${DATA}/texts.json', 'format' = 'json');
CREATE TABLE moments (n INT, d DATE, t TIME(0), ts TIMESTAMP(3), ms BIGINT)
WITH ('connector' = 'filesystem', 'path' = '${DATA}/moments.json', 'format' = 'json');
SELECT n FROM moments WHERE ts > '2000-01-01 00:00:00' AND d <> '2024-02-29';
SELECT n, s < p, s >= 'H' FROM texts;
