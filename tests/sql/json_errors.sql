-- json.ignore-parse-errors and missing fields.
CREATE TABLE broken (a INT, b STRING)
WITH ('connector' = 'filesystem', 'path' = '${DATA}/broken.json', 'format' = 'json', 'json.ignore-parse-errors' = 'true');
SELECT * FROM broken;
SELECT b FROM broken;
