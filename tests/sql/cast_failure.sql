-- CAST of a text that is no number fails the job.
CREATE TABLE texts (n INT, s STRING, p STRING, j STRING)
WITH ('connector' = 'filesystem', 'path' = '${DATA}/texts.json', 'format' = 'json');
SELECT CAST(s AS INT) FROM texts WHERE n = 1;
