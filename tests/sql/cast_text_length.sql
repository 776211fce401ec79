-- CAST to CHAR(n) and VARCHAR(n) cuts and pads.
CREATE TABLE texts (n INT, s STRING, p STRING, j STRING)
WITH ('connector' = 'filesystem', 'path' = '${DATA}/texts.json', 'format' = 'json');
SELECT n, CAST(s AS VARCHAR(3)), CAST(s AS CHAR(12)) || '|' FROM texts;
SELECT CAST('abc' AS CHAR(5)) || '|', CAST(123 AS VARCHAR(2)), CAST('x' AS STRING);
