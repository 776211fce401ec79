"""The search index: what it keeps of an authorization, for how long, and how a batch gets into it.

Ids are the authorizations' own and an index is the day on which a record arrived, so that a batch that comes again writes
the same documents over themselves.
"""

import http.client
import json
import os
import time

from aws import Endpoint

# The last moments of an invocation are for its answer.
RESERVE_SECONDS = 5
LONGEST_PAUSE_SECONDS = 5.0

# Another prefix makes another set of indices, for example of a backfill beside the live one.
PREFIX = os.environ["INDEX_PREFIX"]
search = Endpoint(os.environ["SEARCH_ENDPOINT"], "es", timeout=30)

KEYWORD = {"type": "keyword"}
TEMPLATE = {
    "index_patterns": ["authorizations-*"],
    "template": {
        "settings": {"number_of_shards": 1, "number_of_replicas": 1},
        "aliases": {"authorizations": {}},
        "mappings": {
            # What nobody asks for is kept and shown, but not indexed: the chip's data is half of an event.
            "dynamic": False,
            "properties": {
                "event_time": {"type": "date"},
                "arrived_at": {"type": "date"},
                "authorization_id": KEYWORD,
                "card": {"properties": {"bin": KEYWORD, "brand": KEYWORD, "entry_mode": KEYWORD}},
                "card_id": KEYWORD,
                "card_token": KEYWORD,
                "amount": {"type": "double"},
                "currency": KEYWORD,
                "merchant": {
                    "properties": {
                        "id": KEYWORD,
                        "name": {"type": "text", "fields": {"keyword": KEYWORD}},
                        "category_code": KEYWORD,
                        "country": KEYWORD,
                        "city": KEYWORD,
                    }
                },
                "merchant_category": KEYWORD,
                "response_code": KEYWORD,
                "is_decline": {"type": "boolean"},
                "issuer": KEYWORD,
                "issuer_country": KEYWORD,
                "network": KEYWORD,
            },
        },
    },
}
LIFECYCLE = {
    "policy": {
        "description": "Authorizations are searched for two weeks; the lake keeps them for longer.",
        "default_state": "hot",
        "states": [
            {
                "name": "hot",
                "actions": [],
                "transitions": [{"state_name": "gone", "conditions": {"min_index_age": os.environ["KEEP"]}}],
            },
            {"name": "gone", "actions": [{"delete": {}}], "transitions": []},
        ],
        "ism_template": [{"index_patterns": ["authorizations-*"], "priority": 1}],
    }
}


def put(path, body, fine=()):
    status, answer = search.call("PUT", path, json.dumps(body).encode(), {"content-type": "application/json"})
    if status >= 300 and status not in fine:
        raise RuntimeError(f"the index answers {status} to PUT {path}: {answer[:500]!r}")


def prepare():
    """Tells the index what its daily indices are like. Telling it again changes nothing."""
    put("/_index_template/authorizations", TEMPLATE)
    # 409: the policy is there, another process was first.
    put("/_plugins/_ism/policies/authorizations", LIFECYCLE, fine=(409,))


def bulk(actions, deadline):
    """Indexes (action and document, two lines) pairs; gives the reasons of those that the index will never take, by place.

    What it cannot take now, because it is busy or away, is tried again until `deadline` (of `time.monotonic`); then it raises.
    """
    refused = {}
    places = list(range(len(actions)))
    pause = 0.05
    while places:
        places, why = attempt(actions, places, refused)
        if not places:
            break
        if time.monotonic() + pause > deadline:
            raise RuntimeError(f"{len(places)} of {len(actions)} authorizations are not indexed: {why}")
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
    return refused


def attempt(actions, places, refused):
    """One request; the places that are to be tried again, and why."""
    body = "".join([actions[place] for place in places]).encode()
    try:
        status, answer = search.call("POST", "/_bulk", body, {"content-type": "application/x-ndjson"})
    except (OSError, http.client.HTTPException) as error:
        return places, repr(error)
    if status == 429 or status >= 500:
        return places, f"{status} {answer[:200]!r}"
    if status != 200:
        raise RuntimeError(f"the index answers {status} to a bulk: {answer[:500]!r}")
    # Nearly all answers say this at their beginning, and then nobody has to read the rest.
    if b'"errors":false' in answer[:64]:
        return [], ""
    again, why = [], ""
    for place, item in zip(places, json.loads(answer)["items"]):
        result = item["index"]
        if result["status"] == 429 or result["status"] >= 500:
            again.append(place)
            why = str(result.get("error"))
        elif result["status"] >= 300:
            refused[place] = str(result.get("error"))
    return again, why
