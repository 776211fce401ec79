-- GROUP BY TUMBLE with its auxiliary functions.
CREATE TABLE orders (
  id INT, customer STRING, item STRING, quantity INT, price DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${DATA}/orders.json', 'format' = 'json');
SELECT TUMBLE_START(ts, INTERVAL '10' SECOND), TUMBLE_END(ts, INTERVAL '10' SECOND), TUMBLE_ROWTIME(ts, INTERVAL '10' SECOND), COUNT(*) FROM orders GROUP BY TUMBLE(ts, INTERVAL '10' SECOND);
SELECT customer, TUMBLE_START(ts, INTERVAL '1' MINUTE) AS w, SUM(quantity), MAX(price) FROM orders GROUP BY customer, TUMBLE(ts, INTERVAL '1' MINUTE);
SELECT COUNT(*) FROM orders WHERE quantity > 2 GROUP BY TUMBLE(ts, INTERVAL '30' SECOND);
