-- JSON predicates on NULL and on null.
CREATE TABLE texts (n INT, s STRING, p STRING, j STRING)
WITH ('connector' = 'filesystem', 'path' = '${DATA}/texts.json', 'format' = 'json');
SELECT n, JSON_EXISTS(j, '$.a'), j IS JSON FROM texts WHERE n IN (2, 4);
