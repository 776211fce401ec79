-- A statement set: two sinks from one source.
CREATE TABLE orders (
  id INT, customer STRING, item STRING, quantity INT, price DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${DATA}/orders.json', 'format' = 'json');
CREATE TABLE big (id INT, quantity INT) WITH ('connector' = 'filesystem', 'path' = '${OUT}/big', 'format' = 'json');
CREATE TABLE minutes (window_start TIMESTAMP(3), n BIGINT) WITH ('connector' = 'filesystem', 'path' = '${OUT}/minutes', 'format' = 'json');
EXECUTE STATEMENT SET
BEGIN
INSERT INTO big SELECT id, quantity FROM orders WHERE quantity > 5;
INSERT INTO minutes SELECT window_start, COUNT(*) FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_end, window_start;
END;
SELECT * FROM big;
SELECT * FROM minutes;
