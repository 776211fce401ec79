-- Digests of texts.
CREATE TABLE texts (n INT, s STRING, p STRING, j STRING)
WITH ('connector' = 'filesystem', 'path' = '${DATA}/texts.json', 'format' = 'json');
SELECT n, MD5(s), SHA256(s) FROM texts;
SELECT SHA224('a'), SHA384('a'), SHA512('a');
