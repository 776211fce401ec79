-- A missing field with json.fail-on-missing-field fails the job.
CREATE TABLE broken (a INT, b STRING)
WITH ('connector' = 'filesystem', 'path' = '${DATA}/numbers.json', 'format' = 'json', 'json.fail-on-missing-field' = 'true');
SELECT * FROM broken;
