-- Implicit casts into a sink, written as JSON and read again as text.
CREATE TABLE numbers (
  n INT, t TINYINT, s SMALLINT, i INT, b BIGINT, f FLOAT, d DOUBLE, x DECIMAL(10, 2), y DECIMAL(8, 3)
) WITH ('connector' = 'filesystem', 'path' = '${DATA}/numbers.json', 'format' = 'json');
CREATE TABLE moments (n INT, d DATE, t TIME(0), ts TIMESTAMP(3), ms BIGINT)
WITH ('connector' = 'filesystem', 'path' = '${DATA}/moments.json', 'format' = 'json');
CREATE TABLE sink (a BIGINT, b DOUBLE, c STRING, d DECIMAL(12, 3), e TIMESTAMP(3), f DATE, g BOOLEAN)
WITH ('connector' = 'filesystem', 'path' = '${OUT}/sink', 'format' = 'json');
INSERT INTO sink SELECT n, f, 'x', x, CAST(NULL AS TIMESTAMP(3)), CAST(NULL AS DATE), x > 1 FROM numbers WHERE n IN (1, 5, 6);
INSERT INTO sink SELECT n, 0.5, CAST(t AS STRING), 1, ts, d, FALSE FROM moments;
CREATE TABLE raw_text (line STRING) WITH ('connector' = 'filesystem', 'path' = '${OUT}/sink', 'format' = 'raw');
SELECT * FROM sink;
SELECT * FROM raw_text;
