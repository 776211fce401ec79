-- An empty field that is no text fails the job without csv.null-literal.
CREATE TABLE people (id INT, name STRING, address STRING, born DATE, weight DOUBLE)
WITH ('connector' = 'filesystem', 'path' = '${DATA}/people.csv', 'format' = 'csv');
SELECT * FROM people;
