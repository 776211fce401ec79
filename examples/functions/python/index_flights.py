"""Enriches flights and indexes them: a Lambda function behind a Kinesis stream.

Two documents come of a flight: the flight itself in `flights`, and what its aircraft did last in `aircraft`. Ids follow from
the flight, so that a record that comes again overwrites and never doubles. What cannot be read or indexed is reported by its
sequence number: Lambda tries again from there, and the rest of the batch stays done.
"""

import base64
import json
import logging
import os

from opensearchpy import OpenSearch, RequestsHttpConnection, helpers

CARRIERS = {
    "9E": "Endeavor Air", "AA": "American Airlines", "AS": "Alaska Airlines", "B6": "JetBlue Airways",
    "DL": "Delta Air Lines", "EV": "ExpressJet Airlines", "F9": "Frontier Airlines", "FL": "AirTran Airways",
    "HA": "Hawaiian Airlines", "MQ": "Envoy Air", "OO": "SkyWest Airlines", "UA": "United Air Lines",
    "US": "US Airways", "VX": "Virgin America", "WN": "Southwest Airlines", "YV": "Mesa Airlines",
}  # fmt: skip

log = logging.getLogger()
log.setLevel(logging.INFO)


def connect(url):
    """A client of the search domain, with signed requests where there is TLS, as AWS wants them."""
    auth = None
    if url.startswith("https://"):
        import boto3
        from opensearchpy import RequestsAWSV4SignerAuth

        auth = RequestsAWSV4SignerAuth(boto3.Session().get_credentials(), os.environ["AWS_REGION"], "es")
    return OpenSearch(hosts=[url], http_auth=auth, connection_class=RequestsHttpConnection, timeout=20, max_retries=3)


# Made once, when the execution environment is: every later batch finds a warm connection.
client = connect(os.environ["SEARCH_URL"])


def documents(flight):
    """The actions of a flight, enriched."""
    delay = flight["dep_delay_min"]
    enriched = flight | {
        "carrier_name": CARRIERS.get(flight["carrier"], flight["carrier"]),
        "route": f"{flight['origin']}-{flight['dest']}",
        "punctuality": "cancelled" if delay is None else "late" if isinstance(delay, int) and delay > 15 else "on time",
    }
    yield {"_op_type": "index", "_index": "flights", "_id": flight["event_id"], "_source": enriched}
    if flight["tailnum"]:
        last = {key: enriched[key] for key in ("tailnum", "event_id", "carrier_name", "route", "scheduled_at")}
        yield {"_op_type": "index", "_index": "aircraft", "_id": flight["tailnum"], "_source": last}


def handler(event, context):
    failed = []  # sequence numbers
    actions, sequences = [], []  # kept aligned with each other
    for record in event["Records"]:
        sequence = record["kinesis"]["sequenceNumber"]
        try:
            made = list(documents(json.loads(base64.b64decode(record["kinesis"]["data"]))))
        except (ValueError, KeyError, TypeError) as error:
            log.warning("%s is no flight: %r", sequence, error)
            failed.append(sequence)
            continue
        actions += made
        sequences += [sequence] * len(made)

    results = helpers.streaming_bulk(client, actions, raise_on_error=False)
    for (ok, info), sequence in zip(results, sequences):
        if not ok:
            log.warning("%s was not indexed: %s", sequence, info)
            failed.append(sequence)
    return {"batchItemFailures": [{"itemIdentifier": sequence} for sequence in dict.fromkeys(failed)]}
