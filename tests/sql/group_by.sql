-- GROUP BY without a window: a changelog.
CREATE TABLE orders (
  id INT, customer STRING, item STRING, quantity INT, price DOUBLE, ts TIMESTAMP(3)
) WITH ('connector' = 'filesystem', 'path' = '${DATA}/orders.json', 'format' = 'json');
SELECT item, COUNT(*), SUM(quantity), MAX(price) FROM orders GROUP BY item;
SELECT COUNT(*), AVG(price), MIN(ts) FROM orders;
SELECT customer, COUNT(DISTINCT item) FROM orders GROUP BY customer HAVING COUNT(*) > 2;
SELECT DISTINCT item, customer FROM orders WHERE id < 10;
