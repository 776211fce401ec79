-- UNION ALL with types brought together.
CREATE TABLE orders (
  id INT, customer STRING, item STRING, quantity INT, price DOUBLE, ts TIMESTAMP(3)
) WITH ('connector' = 'filesystem', 'path' = '${DATA}/orders.json', 'format' = 'json');
CREATE TABLE numbers (
  n INT, t TINYINT, s SMALLINT, i INT, b BIGINT, f FLOAT, d DOUBLE, x DECIMAL(10, 2), y DECIMAL(8, 3)
) WITH ('connector' = 'filesystem', 'path' = '${DATA}/numbers.json', 'format' = 'json');
SELECT id, customer FROM orders WHERE id < 3 UNION ALL SELECT n, 'number' FROM numbers WHERE n < 3;
SELECT quantity FROM orders WHERE id < 3 UNION ALL SELECT price FROM orders WHERE id < 3;
SELECT i FROM numbers WHERE n = 1 UNION ALL SELECT x FROM numbers WHERE n = 1 UNION ALL SELECT b FROM numbers WHERE n = 1;
