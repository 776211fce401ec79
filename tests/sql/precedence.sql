-- Operator precedence and odd spellings.
CREATE TABLE numbers (
  n INT, t TINYINT, s SMALLINT, i INT, b BIGINT, f FLOAT, d DOUBLE, x DECIMAL(10, 2), y DECIMAL(8, 3)
) WITH ('connector' = 'filesystem', 'path' = '${DATA}/numbers.json', 'format' = 'json');
SELECT 1 + 2 * 3 - 4 / 2, -2 * -3, 10 - 3 - 2, 'x' || 'y' || 'z', NOT TRUE OR TRUE, 1 < 2 AND 2 < 3 OR FALSE;
SELECT 1 = 1 IS TRUE, 5 BETWEEN 1 AND 3 + 3, NOT 1 = 2, 'a' || 'b' = 'ab', 7 % 4 * 2;
select n, case when i > 0 then 'p' else 'n' end from numbers where n<>3 -- comment
 and numbers.n is not null;
SELECT /* inner */ n FROM numbers WHERE n IN (1, 1 + 1, 6) AND (n, 1) = (1, 1);
