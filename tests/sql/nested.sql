-- ROW, ARRAY and MAP columns.
CREATE TABLE nested (
  n INT, r ROW<a INT, b STRING, c ROW<d DOUBLE>>, l ARRAY<INT>, m MAP<STRING, STRING>, rs ARRAY<ROW<a INT, b STRING>>
) WITH ('connector' = 'filesystem', 'path' = '${DATA}/nested.json', 'format' = 'json');
SELECT n, r.a, r.b, r.c.d, nested.r.b FROM nested;
SELECT n, l[1], l[2], m['k'], CARDINALITY(l), CARDINALITY(m), rs[1].b FROM nested;
SELECT * FROM nested;
SELECT n, ARRAY[1, n], ROW(n, 'x'), MAP['a', n], ARRAY_CONTAINS(l, 2) FROM nested;
