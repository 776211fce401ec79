-- CREATE TABLE … LIKE, hints, DROP, IF NOT EXISTS.
CREATE TABLE orders (
  id INT, customer STRING, item STRING, quantity INT, price DOUBLE, ts TIMESTAMP(3)
) WITH ('connector' = 'filesystem', 'path' = '${DATA}/orders.json', 'format' = 'json');
CREATE TABLE IF NOT EXISTS orders (x INT) WITH ('connector' = 'blackhole');
CREATE TABLE timed (WATERMARK FOR ts AS ts - INTERVAL '1' SECOND) LIKE orders;
CREATE VIEW gone AS SELECT 1 AS a;
DROP VIEW gone;
DROP TABLE IF EXISTS nothing;
SELECT COUNT(*) FROM timed GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE);
SELECT id FROM orders /*+ OPTIONS('path' = '${DATA}/late.json', 'json.ignore-parse-errors' = 'true') */;
