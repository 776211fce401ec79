-- A CSV sink, read again.
CREATE TABLE texts (n INT, s STRING, p STRING, j STRING)
WITH ('connector' = 'filesystem', 'path' = '${DATA}/texts.json', 'format' = 'json');
CREATE TABLE sink (n INT, s STRING, d DECIMAL(5, 2), b BOOLEAN)
WITH ('connector' = 'filesystem', 'path' = '${OUT}/sink', 'format' = 'csv');
INSERT INTO sink SELECT n, s, n * 1.25, n > 3 FROM texts WHERE s IS NOT NULL;
CREATE TABLE raw_text (line STRING) WITH ('connector' = 'filesystem', 'path' = '${OUT}/sink', 'format' = 'raw');
SELECT * FROM sink;
SELECT * FROM raw_text;
