-- LIMIT of an append-only query, also more than there is and none.
CREATE TABLE numbers (
  n INT, t TINYINT, s SMALLINT, i INT, b BIGINT, f FLOAT, d DOUBLE, x DECIMAL(10, 2), y DECIMAL(8, 3)
) WITH ('connector' = 'filesystem', 'path' = '${DATA}/numbers.json', 'format' = 'json');
SELECT 'row' FROM numbers LIMIT 3;
SELECT 'row' FROM numbers WHERE n > 2 FETCH FIRST 2 ROWS ONLY;
SELECT n FROM numbers LIMIT 100;
