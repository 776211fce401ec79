-- LIKE, SIMILAR TO and regular expressions.
CREATE TABLE texts (n INT, s STRING, p STRING, j STRING)
WITH ('connector' = 'filesystem', 'path' = '${DATA}/texts.json', 'format' = 'json');
SELECT n, s LIKE p, s LIKE '%o%', s NOT LIKE '%,%' FROM texts;
SELECT n, s LIKE '_ello%', s LIKE 'a,b,,d', s LIKE '%#%%' ESCAPE '#' FROM texts;
SELECT n, REGEXP(s, '[0-9]+'), REGEXP_REPLACE(s, '[aeiou]', '_'), REGEXP_EXTRACT(s, '([0-9]+)-([0-9]+)', 2) FROM texts;
SELECT n, s SIMILAR TO '[0-9-]+', s NOT SIMILAR TO '%o%' FROM texts;
SELECT n, STARTSWITH(s, 'Hel'), ENDSWITH(s, 'd') FROM texts;
