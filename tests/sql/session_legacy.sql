-- GROUP BY SESSION.
CREATE TABLE clicks (
  `user` STRING, page STRING, `at` TIMESTAMP(3), WATERMARK FOR `at` AS `at` - INTERVAL '1' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${DATA}/clicks.json', 'format' = 'json');
SELECT `user`, SESSION_START(`at`, INTERVAL '1' MINUTE), SESSION_END(`at`, INTERVAL '1' MINUTE), COUNT(*) FROM clicks GROUP BY `user`, SESSION(`at`, INTERVAL '1' MINUTE);
