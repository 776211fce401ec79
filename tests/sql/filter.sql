-- WHERE: comparisons, three-valued logic, LIKE, IN, BETWEEN, IS.
CREATE TABLE orders (
  id INT, customer STRING, item STRING, quantity INT, price DOUBLE, ts TIMESTAMP(3)
) WITH ('connector' = 'filesystem', 'path' = '${DATA}/orders.json', 'format' = 'json');
SELECT id, customer FROM orders WHERE quantity > 4 AND price < 2;
SELECT id FROM orders WHERE customer <> 'ann' OR quantity IS NULL;
SELECT id FROM orders WHERE NOT (quantity > 2);
SELECT id FROM orders WHERE item IN ('fig', 'plum') AND customer NOT IN ('ann', 'bob');
SELECT id FROM orders WHERE quantity BETWEEN 3 AND 5;
SELECT id FROM orders WHERE quantity NOT BETWEEN SYMMETRIC 8 AND 2;
SELECT id, (price > 2) IS TRUE, (price > 2) IS NOT FALSE, (price > 2) IS UNKNOWN, price IS NULL, item IS NOT DISTINCT FROM CAST(NULL AS STRING) FROM orders WHERE id BETWEEN 5 AND 12;
SELECT id FROM orders WHERE item LIKE '%p%' AND item NOT LIKE 'a%';
