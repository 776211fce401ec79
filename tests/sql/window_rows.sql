-- Window table functions without aggregation.
CREATE TABLE clicks (
  `user` STRING, page STRING, `at` TIMESTAMP(3), WATERMARK FOR `at` AS `at` - INTERVAL '1' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${DATA}/clicks.json', 'format' = 'json');
SELECT * FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(`at`), INTERVAL '1' MINUTE));
SELECT `user`, window_start, window_end FROM TABLE(HOP(TABLE clicks, DESCRIPTOR(`at`), INTERVAL '1' MINUTE, INTERVAL '2' MINUTE)) WHERE `user` = 'a' AND window_start >= TIMESTAMP '2026-01-01 10:01:00';
SELECT page, window_time FROM TABLE(CUMULATE(TABLE clicks, DESCRIPTOR(`at`), INTERVAL '1' MINUTE, INTERVAL '3' MINUTE)) WHERE `user` = 'c';
