-- VALUES as a query and as a table.
SELECT a, b FROM (VALUES (1, 'one'), (2, 'three'), (3, CAST(NULL AS STRING))) AS t (a, b);
VALUES (1, 2.5), (2, 3);
