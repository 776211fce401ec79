//! What happened: logs under CloudWatch Logs' words, metrics under CloudWatch's.
