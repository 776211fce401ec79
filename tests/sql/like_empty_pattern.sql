-- LIKE with an empty pattern.
CREATE TABLE texts (n INT, s STRING, p STRING, j STRING)
WITH ('connector' = 'filesystem', 'path' = '${DATA}/texts.json', 'format' = 'json');
SELECT n, s LIKE '' FROM texts;
