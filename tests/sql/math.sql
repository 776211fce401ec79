-- Elementary functions.
CREATE TABLE numbers (
  n INT, t TINYINT, s SMALLINT, i INT, b BIGINT, f FLOAT, d DOUBLE, x DECIMAL(10, 2), y DECIMAL(8, 3)
) WITH ('connector' = 'filesystem', 'path' = '${DATA}/numbers.json', 'format' = 'json');
SELECT n, SQRT(ABS(y)), POWER(2, t), EXP(0), LN(10), LOG10(1000), LOG2(8), LOG(3, 9) FROM numbers WHERE n IN (1, 4, 6);
SELECT SIN(0), COS(0), TAN(0), ATAN2(1, 1), PI(), DEGREES(PI()), RADIANS(180), SIGN(-2.5);
SELECT n, POWER(x, 2), SQRT(4), ABS(x), ABS(d) FROM numbers WHERE n IN (1, 2, 6);
