-- Windows over TIMESTAMP_LTZ in a session zone.
SET 'table.local-time-zone' = 'Asia/Tokyo';
CREATE TABLE late_ltz (k STRING, v INT, ts STRING, lt AS TO_TIMESTAMP_LTZ(v * 60000, 3), WATERMARK FOR lt AS lt - INTERVAL '1' MINUTE)
WITH ('connector' = 'filesystem', 'path' = '${DATA}/late.json', 'format' = 'json');
SELECT window_start, window_end, window_time, SUM(v) FROM TABLE(TUMBLE(TABLE late_ltz, DESCRIPTOR(lt), INTERVAL '1' HOUR)) GROUP BY window_start, window_end, window_time;
SELECT TUMBLE_START(lt, INTERVAL '1' DAY), COUNT(*) FROM late_ltz GROUP BY TUMBLE(lt, INTERVAL '1' DAY);
