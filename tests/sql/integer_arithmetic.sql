-- Integers: operators, overflow that wraps, division, NULL.
CREATE TABLE numbers (
  n INT, t TINYINT, s SMALLINT, i INT, b BIGINT, f FLOAT, d DOUBLE, x DECIMAL(10, 2), y DECIMAL(8, 3)
) WITH ('connector' = 'filesystem', 'path' = '${DATA}/numbers.json', 'format' = 'json');
SELECT n, i + i, i * 2, i - 1, -i, b + 1 FROM numbers;
SELECT n, t + t, s * s, t + s, t + b, i / 7, MOD(i, 7), b % 10 FROM numbers;
SELECT n, i + 1, b * 2, ABS(i), ABS(t), SIGN(i), SIGN(b) FROM numbers;
SELECT n, 7 / 2, -7 / 2, 7 % -3, MOD(-7, 3), 2147483647 + 1 FROM numbers WHERE n = 1;
