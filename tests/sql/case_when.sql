-- CASE in both forms, COALESCE, NULLIF, IF, GREATEST, LEAST.
CREATE TABLE orders (
  id INT, customer STRING, item STRING, quantity INT, price DOUBLE, ts TIMESTAMP(3)
) WITH ('connector' = 'filesystem', 'path' = '${DATA}/orders.json', 'format' = 'json');
SELECT id, CASE WHEN quantity > 5 THEN 'many' WHEN quantity > 1 THEN 'some' ELSE 'one' END FROM orders;
SELECT id, CASE item WHEN 'apple' THEN 1 WHEN 'fig' THEN 2 END FROM orders;
SELECT id, CASE customer WHEN 'ann', 'bob' THEN 'known' ELSE customer END FROM orders;
SELECT id, COALESCE(customer, item, '?'), NULLIF(item, 'apple'), IF(quantity > 2, 'big', 'small') FROM orders;
SELECT id, CASE WHEN quantity IS NULL THEN 0 ELSE price END, GREATEST(quantity, id), LEAST(quantity, id, 3) FROM orders;
SELECT id, COALESCE(quantity, 0) + COALESCE(price, 0.5), IFNULL(customer, 'nobody') FROM orders;
