-- FLOAT with DOUBLE.
CREATE TABLE numbers (
  n INT, t TINYINT, s SMALLINT, i INT, b BIGINT, f FLOAT, d DOUBLE, x DECIMAL(10, 2), y DECIMAL(8, 3)
) WITH ('connector' = 'filesystem', 'path' = '${DATA}/numbers.json', 'format' = 'json');
SELECT n, f + d FROM numbers WHERE n = 6;
