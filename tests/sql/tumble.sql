-- TUMBLE as a table function, all aggregates, late rows dropped.
CREATE TABLE orders (
  id INT, customer STRING, item STRING, quantity INT, price DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${DATA}/orders.json', 'format' = 'json');
SELECT window_start, window_end, COUNT(*), COUNT(customer), SUM(quantity), MIN(price), MAX(item), AVG(quantity) FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end;
SELECT customer, window_start, window_end, SUM(quantity * price) AS total FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY customer, window_start, window_end;
SELECT window_end, AVG(price), SUM(price), COUNT(DISTINCT item), SUM(DISTINCT quantity) FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end;
SELECT COUNT(*) FILTER (WHERE item = 'apple'), SUM(quantity) FILTER (WHERE price > 1), window_time FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end, window_time;
SELECT item, window_start, COUNT(*) FROM TABLE(TUMBLE(DATA => TABLE orders, TIMECOL => DESCRIPTOR(ts), SIZE => INTERVAL '1' MINUTE)) GROUP BY item, window_start, window_end;
