-- INITCAP of letters outside ASCII.
CREATE TABLE texts (n INT, s STRING, p STRING, j STRING)
WITH ('connector' = 'filesystem', 'path' = '${DATA}/texts.json', 'format' = 'json');
SELECT n, INITCAP(s) FROM texts WHERE n = 5;
