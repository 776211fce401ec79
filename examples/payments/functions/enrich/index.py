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
# It deletes and does not roll over: a batch that comes again would write into another index, where its ids are new.
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


class Patience:
    """Pauses between tries, twice as long each time, until a time (of `time.monotonic`) is up: then it raises."""

    def __init__(self, deadline):
        self.deadline, self.pause = deadline, 0.05

    def wait(self, why):
        if time.monotonic() + self.pause > self.deadline:
            raise RuntimeError(why)
        time.sleep(self.pause)
        self.pause = min(2 * self.pause, LONGEST_PAUSE_SECONDS)


def ask(method, path, body, kind):
    """Status and answer; status 503 when nobody answers."""
    try:
        return search.call(method, path, body, {"content-type": kind})
    except (OSError, http.client.HTTPException) as error:
        return 503, repr(error).encode()


def is_passing(status):
    """Whether it will be otherwise in a while."""
    return status == 429 or status >= 500


def put(path, body, patience, fine=()):
    while True:
        status, answer = ask("PUT", path, json.dumps(body).encode(), "application/json")
        if status < 300 or status in fine:
            return
        why = f"the index answers {status} to PUT {path}: {answer[:500]!r}"
        if not is_passing(status):
            raise RuntimeError(why)
        patience.wait(why)


is_prepared = False


def prepare(deadline):
    """Tells the index what its daily indices are like, once in a process. Telling it again changes nothing.

    Not while the code is loaded: a process that starts while the index is away would fail, and its records with it.
    """
    global is_prepared
    if not is_prepared:
        patience = Patience(deadline)
        put("/_index_template/authorizations", TEMPLATE, patience)
        # 409: the policy is there, another process was first.
        put("/_plugins/_ism/policies/authorizations", LIFECYCLE, patience, fine=(409,))
        is_prepared = True


def bulk(actions, deadline):
    """Indexes (action and document, two lines) pairs; gives the reasons of those that the index will never take, by place.

    What it cannot take now, because it is busy or away, is tried again until `deadline`; then it raises.
    """
    refused = {}
    places = list(range(len(actions)))
    patience = Patience(deadline)
    while places:
        places, why = attempt(actions, places, refused)
        if places:
            patience.wait(f"{len(places)} of {len(actions)} authorizations are not indexed: {why}")
    return refused


def attempt(actions, places, refused):
    """One request; the places that are to be tried again, and why."""
    body = "".join([actions[place] for place in places]).encode()
    status, answer = ask("POST", "/_bulk", body, "application/x-ndjson")
    if is_passing(status):
        return places, f"{status} {answer[:200]!r}"
    if status != 200:
        raise RuntimeError(f"the index answers {status} to a bulk: {answer[:500]!r}")
    # Nearly all answers say this at their beginning, and then nobody has to read the rest.
    if b'"errors":false' in answer[:64]:
        return [], ""
    again, why = [], ""
    for place, item in zip(places, json.loads(answer)["items"]):
        result = item["index"]
        if is_passing(result["status"]):
            again.append(place)
            why = str(result.get("error"))
        elif result["status"] >= 300:
            refused[place] = str(result.get("error"))
    return again, why
