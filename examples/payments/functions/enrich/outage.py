"""Watches issuers: the metrics that a card issuer's outage shows in within seconds.

`Declined` is 1 or 0 for each authorization, so that its average is the rate of declines. `IssuerUnavailableRate` is the share
of the response code 91 (issuer unavailable) among an issuer's latest authorizations, of the worst issuer without a dimension, and of those
that it is high for with the dimension `Issuer`. Put once a second, and at once when an issuer's is high.
"""

import http.client
import json
import os
import time

import aws

NAMESPACE = "Payments"
UNAVAILABLE = "91"
# Fewer say nothing about an issuer: one in a hundred is unavailable on a good day, so six of twelve by chance is not seen in years.
ENOUGH = 12
STALE_SECONDS = 10.0
# From here on an issuer is named.
HIGH = 0.2
PAUSE_SECONDS = 1.0

cloudwatch = aws.Endpoint(
    os.environ.get("AWS_ENDPOINT_URL") or f"https://monitoring.{aws.REGION}.amazonaws.com", "monitoring", timeout=2
)
HEADERS = {
    "content-type": "application/x-amz-json-1.0",
    "x-amz-target": "GraniteServiceVersion20100801.PutMetricData",
}


class Series:
    """Values of one metric that wait to be put."""

    def __init__(self):
        self.count, self.sum, self.least, self.most = 0, 0.0, float("inf"), 0.0

    def add(self, value, count=1):
        self.count += count
        self.sum += value * count
        self.least, self.most = min(self.least, value), max(self.most, value)

    def datum(self, name, dimensions):
        values = {"SampleCount": self.count, "Sum": self.sum, "Minimum": self.least, "Maximum": self.most}
        datum = {"MetricName": name, "StatisticValues": values, "StorageResolution": 1}
        return datum | ({"Dimensions": dimensions} if dimensions else {})


class Watch:
    """What one process has seen of the issuers. The clock is handed in, so that tests can turn it."""

    def __init__(self, put, now):
        self.put = put
        self.now = now
        self.seen = {}  # issuer: [authorizations, of them unavailable, since when]
        self.waiting = {}  # (metric, issuer or None): Series
        self.put_at = float("-inf")

    def batch(self, counts, declines):
        """Takes what a batch had: [authorizations, of them unavailable] by issuer. Puts what is due."""
        total = sum(authorizations for authorizations, _ in counts.values())
        if not total:
            return
        now, is_urgent = self.now(), False
        for issuer, (authorizations, unavailable) in counts.items():
            known = self.seen.get(issuer)
            if known is None or now - known[2] > STALE_SECONDS:
                known = self.seen[issuer] = [0, 0, now]
            known[0] += authorizations
            known[1] += unavailable
            if known[0] >= ENOUGH:
                is_urgent |= self.judge(issuer, known[1] / known[0])
                del self.seen[issuer]
        for value, count in ((1.0, declines), (0.0, total - declines)):
            if count:
                self.series("Declined", None).add(value, count)
        if is_urgent or now - self.put_at >= PAUSE_SECONDS:
            self.put_at = now
            self.put([series.datum(name, dimensions(issuer)) for (name, issuer), series in self.waiting.items()])
            self.waiting = {}

    def judge(self, issuer, rate):
        """Keeps an issuer's rate; whether it is high."""
        self.series("IssuerUnavailableRate", None).add(rate)
        if rate >= HIGH:
            self.series("IssuerUnavailableRate", issuer).add(rate)
        return rate >= HIGH

    def series(self, name, issuer):
        return self.waiting.setdefault((name, issuer), Series())


def dimensions(issuer):
    return [{"Name": "Issuer", "Value": issuer}] if issuer else []


def put_metrics(data):
    """Metrics are never worth a batch: what CloudWatch does not take is said and left."""
    body = json.dumps({"Namespace": NAMESPACE, "MetricData": data}).encode()
    try:
        status, answer = cloudwatch.call("POST", "/", body, HEADERS)
    except (OSError, http.client.HTTPException) as error:
        status, answer = 0, repr(error).encode()
    if status != 200:
        print(json.dumps({"level": "WARN", "message": "metrics were not put", "status": status, "reason": str(answer[:300])}))


watch = Watch(put_metrics, time.monotonic)
