-- WITH: chained names, used twice, with column names.
CREATE TABLE orders (
  id INT, customer STRING, item STRING, quantity INT, price DOUBLE, ts TIMESTAMP(3)
) WITH ('connector' = 'filesystem', 'path' = '${DATA}/orders.json', 'format' = 'json');
WITH a AS (SELECT id, quantity FROM orders WHERE quantity > 3), b (x, y) AS (SELECT id + 100, quantity FROM a) SELECT * FROM b;
WITH a AS (SELECT id FROM orders WHERE id < 3) SELECT id FROM a UNION ALL SELECT id * 10 FROM a;
SELECT s.q FROM (SELECT quantity * 2 AS q FROM orders WHERE id < 5) AS s WHERE s.q > 3;
