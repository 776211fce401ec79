-- CSV: quoted fields, empty fields, types by position, unused columns.
CREATE TABLE people (id INT, name STRING, address STRING, born DATE, weight DOUBLE)
WITH ('connector' = 'filesystem', 'path' = '${DATA}/people.csv', 'format' = 'csv', 'csv.null-literal' = '');
CREATE TABLE semi (id INT, label STRING, flag BOOLEAN)
WITH ('connector' = 'filesystem', 'path' = '${DATA}/semi.csv', 'format' = 'csv', 'csv.field-delimiter' = ';', 'csv.null-literal' = '');
SELECT * FROM people;
SELECT born, id FROM people WHERE weight > 75;
SELECT * FROM semi;
