-- Text functions.
CREATE TABLE texts (n INT, s STRING, p STRING, j STRING)
WITH ('connector' = 'filesystem', 'path' = '${DATA}/texts.json', 'format' = 'json');
SELECT n, UPPER(s), LOWER(s), CHAR_LENGTH(s), TRIM(s), LTRIM(s) || '|', RTRIM(s) || '|' FROM texts;
SELECT n, SUBSTRING(s FROM 2 FOR 3), SUBSTRING(s, 3), SUBSTRING(s, -3), LEFT(s, 2), RIGHT(s, 2) FROM texts;
SELECT n, POSITION('l' IN s), REPLACE(s, 'o', '0'), REVERSE(s), REPEAT(s, 2) FROM texts;
SELECT n, INITCAP(s) FROM texts WHERE n <> 5;
SELECT n, LPAD(s, 8, '*'), RPAD(s, 3, '*'), s || '!', CONCAT(s, '-', p), CONCAT_WS('/', s, p, 'x') FROM texts;
SELECT n, SPLIT_INDEX(s, ',', 1), SPLIT_INDEX(s, ',', 9), ASCII(s), LOCATE('a', s), INSTR(s, 'l') FROM texts;
SELECT TRIM(LEADING 'x' FROM 'xxaxx'), TRIM(TRAILING 'x' FROM 'xxaxx'), TRIM(BOTH 'x' FROM 'xxaxx'), CHR(65), BTRIM('  b  ');
