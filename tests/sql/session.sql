-- SESSION as a table function.
CREATE TABLE clicks (
  `user` STRING, page STRING, `at` TIMESTAMP(3), WATERMARK FOR `at` AS `at` - INTERVAL '1' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${DATA}/clicks.json', 'format' = 'json');
SELECT `user`, window_start, window_end, COUNT(*), MAX(page) FROM TABLE(SESSION(TABLE clicks PARTITION BY `user`, DESCRIPTOR(`at`), INTERVAL '1' MINUTE)) GROUP BY `user`, window_start, window_end;
