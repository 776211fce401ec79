-- Views over views, with column names, and their time attribute.
CREATE TABLE orders (
  id INT, customer STRING, item STRING, quantity INT, price DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${DATA}/orders.json', 'format' = 'json');
CREATE VIEW priced AS SELECT id, customer, quantity * price AS total, ts FROM orders WHERE price IS NOT NULL;
CREATE TEMPORARY VIEW big (number, who, `value`, `at`) AS SELECT id, customer, total, ts FROM priced WHERE total > 3;
SELECT * FROM big;
SELECT p.total FROM priced AS p WHERE p.customer = 'ann';
SELECT who, window_end, SUM(`value`) FROM TABLE(TUMBLE(TABLE big, DESCRIPTOR(`at`), INTERVAL '30' SECOND)) GROUP BY who, window_start, window_end;
