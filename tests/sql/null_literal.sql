-- NULL without a type is refused.
CREATE TABLE orders (
  id INT, customer STRING, item STRING, quantity INT, price DOUBLE, ts TIMESTAMP(3)
) WITH ('connector' = 'filesystem', 'path' = '${DATA}/orders.json', 'format' = 'json');
SELECT id, NULL FROM orders;
