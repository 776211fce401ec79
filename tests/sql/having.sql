-- HAVING on windows.
CREATE TABLE orders (
  id INT, customer STRING, item STRING, quantity INT, price DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${DATA}/orders.json', 'format' = 'json');
SELECT customer, TUMBLE_END(ts, INTERVAL '1' MINUTE), SUM(quantity) FROM orders GROUP BY customer, TUMBLE(ts, INTERVAL '1' MINUTE) HAVING SUM(quantity) > 5;
SELECT window_start, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end HAVING COUNT(*) > 1 AND MAX(price) < 9;
SELECT * FROM (SELECT item, window_start, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY item, window_start, window_end) WHERE n > 1 OR item = 'fig';
