-- INSERT INTO … VALUES, into some columns, read again.
CREATE TABLE t (a INT, b STRING, c DOUBLE)
WITH ('connector' = 'filesystem', 'path' = '${OUT}/t', 'format' = 'json');
INSERT INTO t VALUES (1, 'one', 1.5), (2, CAST(NULL AS STRING), 2);
INSERT INTO t (c, a) VALUES (CAST(7 AS DOUBLE), 3);
SELECT * FROM t;
