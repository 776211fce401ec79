-- Metadata columns of the filesystem connector.
CREATE TABLE orders (id INT, `file.name` STRING NOT NULL METADATA, name AS UPPER(`file.name`), size BIGINT METADATA FROM 'file.size')
WITH ('connector' = 'filesystem', 'path' = '${DATA}/orders.json', 'format' = 'json');
SELECT id, `file.name`, name, size FROM orders WHERE id < 3;
SELECT id FROM orders WHERE id < 3;
