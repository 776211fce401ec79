-- SELECT: expressions, aliases, star, names, constants.
CREATE TABLE orders (
  id INT, customer STRING, item STRING, quantity INT, price DOUBLE, ts TIMESTAMP(3)
) WITH ('connector' = 'filesystem', 'path' = '${DATA}/orders.json', 'format' = 'json');
SELECT * FROM orders WHERE id < 4;
SELECT o.id AS number, o.quantity * o.price AS total, 'x', 42, 1.50, TRUE FROM orders AS o WHERE id < 6;
SELECT id, o.* FROM orders o WHERE id = 1;
SELECT `id` `from`, quantity + 1 q FROM `orders` WHERE `id` <= 2;
SELECT 1 + 1, 'a' || 'b', CAST(NULL AS INT);
