-- Computed columns, and a watermark on one.
CREATE TABLE orders (
  id INT, quantity INT, price DOUBLE, ts STRING, total AS quantity * price, `time` AS TO_TIMESTAMP(ts),
  WATERMARK FOR `time` AS `time` - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${DATA}/orders.json', 'format' = 'json');
SELECT id, total, `time` FROM orders WHERE total > 5;
SELECT id FROM orders WHERE `time` > TIMESTAMP '2026-01-01 00:02:00';
SELECT window_start, SUM(total), COUNT(*) FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(`time`), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;
