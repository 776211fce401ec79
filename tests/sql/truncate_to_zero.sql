-- TRUNCATE of a negative FLOAT to zero.
CREATE TABLE numbers (
  n INT, t TINYINT, s SMALLINT, i INT, b BIGINT, f FLOAT, d DOUBLE, x DECIMAL(10, 2), y DECIMAL(8, 3)
) WITH ('connector' = 'filesystem', 'path' = '${DATA}/numbers.json', 'format' = 'json');
SELECT n, TRUNCATE(f, 0) FROM numbers WHERE n = 2;
