-- FLOAT and DOUBLE: operators, printing, mixed types.
CREATE TABLE numbers (
  n INT, t TINYINT, s SMALLINT, i INT, b BIGINT, f FLOAT, d DOUBLE, x DECIMAL(10, 2), y DECIMAL(8, 3)
) WITH ('connector' = 'filesystem', 'path' = '${DATA}/numbers.json', 'format' = 'json');
SELECT n, f, d, f + 1, d * 2, d / 3, d + f FROM numbers;
SELECT n, x + d, i / 2e0, x * f FROM numbers;
SELECT n, i + f FROM numbers WHERE n IN (1, 4, 5, 6);
SELECT n, 1e3, 1.5e-7, 123456789e0, 1e7, 0.001e0, 1e21 FROM numbers WHERE n = 1;
