-- JSON_VALUE, JSON_EXISTS, JSON_QUERY, IS JSON.
CREATE TABLE texts (n INT, s STRING, p STRING, j STRING)
WITH ('connector' = 'filesystem', 'path' = '${DATA}/texts.json', 'format' = 'json');
SELECT n, JSON_VALUE(j, '$.a.b'), JSON_VALUE(j, '$.d'), JSON_VALUE(j, '$.c[1]'), JSON_VALUE(j, '$.e'), JSON_VALUE(j, '$.f') FROM texts;
SELECT n, JSON_EXISTS(j, '$.a'), JSON_EXISTS(j, '$.a.b'), j IS JSON FROM texts WHERE n NOT IN (2, 4);
SELECT n, JSON_QUERY(j, '$.a'), JSON_QUERY(j, '$.c') FROM texts WHERE n < 6;
