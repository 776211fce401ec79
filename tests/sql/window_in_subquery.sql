-- The table function in a subquery, a WITH and a view.
CREATE TABLE orders (
  id INT, customer STRING, item STRING, quantity INT, price DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${DATA}/orders.json', 'format' = 'json');
CREATE VIEW windowed AS SELECT customer, quantity, window_start, window_end FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '20' SECOND)) WHERE quantity > 1;
SELECT customer, window_start, SUM(quantity) FROM windowed GROUP BY customer, window_start, window_end;
WITH w AS (SELECT UPPER(item) AS it, window_start AS ws, window_end AS we FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '20' SECOND))) SELECT it, ws, COUNT(*) FROM w GROUP BY it, ws, we;
SELECT window_end, COUNT(*) FROM (SELECT * FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '20' SECOND)) WHERE item <> 'fig') AS x WHERE price > 1 GROUP BY window_start, window_end;
