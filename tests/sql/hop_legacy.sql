-- GROUP BY HOP with its auxiliary functions.
CREATE TABLE orders (
  id INT, customer STRING, item STRING, quantity INT, price DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${DATA}/orders.json', 'format' = 'json');
SELECT HOP_START(ts, INTERVAL '10' SECOND, INTERVAL '30' SECOND), HOP_END(ts, INTERVAL '10' SECOND, INTERVAL '30' SECOND), COUNT(*) FROM orders GROUP BY HOP(ts, INTERVAL '10' SECOND, INTERVAL '30' SECOND);
SELECT customer, HOP_END(ts, INTERVAL '30' SECOND, INTERVAL '1' MINUTE), SUM(price) FROM orders GROUP BY HOP(ts, INTERVAL '30' SECOND, INTERVAL '1' MINUTE), customer;
