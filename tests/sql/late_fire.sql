-- allow-lateness with late-fire: late rows update fired windows.
SET 'table.exec.emit.allow-lateness' = '12 s';
SET 'table.exec.emit.late-fire.enabled' = 'true';
SET 'table.exec.emit.late-fire.delay' = '0 s';
CREATE TABLE events (k STRING, v INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
WITH ('connector' = 'filesystem', 'path' = '${DATA}/late.json', 'format' = 'json');
SELECT TUMBLE_START(ts, INTERVAL '10' SECOND), COUNT(*), SUM(v) FROM events GROUP BY TUMBLE(ts, INTERVAL '10' SECOND);
SELECT k, HOP_END(ts, INTERVAL '10' SECOND, INTERVAL '20' SECOND), SUM(v) FROM events GROUP BY k, HOP(ts, INTERVAL '10' SECOND, INTERVAL '20' SECOND);
