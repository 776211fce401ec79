-- Types, NULLs and overflow of aggregates.
CREATE TABLE numbers (
  n INT, t TINYINT, s SMALLINT, i INT, b BIGINT, f FLOAT, d DOUBLE, x DECIMAL(10, 2), y DECIMAL(8, 3)
) WITH ('connector' = 'filesystem', 'path' = '${DATA}/numbers.json', 'format' = 'json');
SELECT SUM(t), SUM(s), SUM(i), SUM(b), AVG(i), AVG(b), AVG(t) FROM numbers WHERE n IN (1, 4, 5, 6);
SELECT SUM(x), AVG(x), SUM(y), MIN(x), MAX(y), AVG(y) FROM numbers;
SELECT SUM(f), AVG(f), SUM(d), AVG(d), COUNT(d), COUNT(*) FROM numbers WHERE n IN (1, 4, 5, 6);
SELECT SUM(i), SUM(t), COUNT(i), MIN(i), MAX(b) FROM numbers WHERE n IN (3, 6);
SELECT SUM(i), AVG(x), MIN(d), COUNT(i) FROM numbers WHERE n = 5;
