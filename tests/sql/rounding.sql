-- ROUND, FLOOR, CEIL, TRUNCATE and friends.
CREATE TABLE numbers (
  n INT, t TINYINT, s SMALLINT, i INT, b BIGINT, f FLOAT, d DOUBLE, x DECIMAL(10, 2), y DECIMAL(8, 3)
) WITH ('connector' = 'filesystem', 'path' = '${DATA}/numbers.json', 'format' = 'json');
SELECT n, ROUND(x, 1), ROUND(y), ROUND(d, 1), ROUND(i, -2) FROM numbers;
SELECT n, FLOOR(x), CEIL(x), FLOOR(y), CEILING(y) FROM numbers;
SELECT n, FLOOR(f), CEIL(f), FLOOR(i) FROM numbers WHERE n IN (1, 2, 4, 6);
SELECT n, TRUNCATE(x, 1), TRUNCATE(y, 0), TRUNCATE(f, 0) FROM numbers WHERE n IN (1, 4, 6);
