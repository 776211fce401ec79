-- DECIMAL: derived precision and scale, rounding, division, literals.
CREATE TABLE numbers (
  n INT, t TINYINT, s SMALLINT, i INT, b BIGINT, f FLOAT, d DOUBLE, x DECIMAL(10, 2), y DECIMAL(8, 3)
) WITH ('connector' = 'filesystem', 'path' = '${DATA}/numbers.json', 'format' = 'json');
SELECT n, x + y, x - y, x * y FROM numbers;
SELECT n, x / 3, y / 7.0, x + 1, x * 2, x * 1.5 FROM numbers WHERE n <> 4;
SELECT n, x + i, x * b FROM numbers WHERE n IN (1, 4, 6);
SELECT n, 1.5 + 2.25, 10.0 / 4, 0.1 * 0.1, 1.0 / 3.0, 5 / 2.0 FROM numbers WHERE n = 1;
SELECT n, x > y, x = 12.34, x < 12.345, x >= i, y <> d FROM numbers;
