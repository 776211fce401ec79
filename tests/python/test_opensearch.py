"""The search index through the official opensearch-py client, unchanged."""

import gzip
import json
import urllib.error
import urllib.request

import pytest
from opensearchpy import ConflictError, NotFoundError, OpenSearch, RequestError, helpers

from conftest import wait_for

FLIGHTS = [
    {"carrier": "UA", "origin": "EWR", "delay": 2.5, "at": "2013-01-01T05:15:00Z"},
    {"carrier": "AA", "origin": "JFK", "delay": -4.0, "at": "2013-01-01T05:42:00Z"},
    {"carrier": "UA", "origin": "LGA", "delay": 20.0, "at": "2013-01-02T06:00:00Z"},
]


@pytest.fixture(params=[False, True], ids=["plain", "gzip"])
def search(server, request):
    with OpenSearch(server.search_url, http_compress=request.param, http_auth=("any", "any")) as client:
        yield client


@pytest.fixture
def flights(search, unique):
    index = unique("flights")
    actions = [{"_index": index, "_id": str(number), "_source": doc} for number, doc in enumerate(FLIGHTS, 1)]
    assert helpers.bulk(search, actions, refresh=True) == (3, [])
    return index


def test_the_client_accepts_the_server(search):
    assert search.ping()
    assert search.info()["version"]["distribution"] == "opensearch"
    assert search.cluster.health(wait_for_status="yellow")["status"] == "green"


def test_bulk_overwrites_by_id(search, flights):
    actions = [{"_index": flights, "_id": "1", "_source": FLIGHTS[0] | {"delay": 3.0}}]
    for ok, item in helpers.streaming_bulk(search, actions, refresh="wait_for"):
        assert ok and item["index"]["result"] == "updated" and item["index"]["_version"] == 2
    assert search.count(index=flights)["count"] == 3
    assert search.get(index=flights, id="1")["_source"]["delay"] == 3.0


def test_bulk_says_which_document_failed(search, flights):
    actions = [{"_index": flights, "_id": "7", "_source": {"delay": "late"}}, {"_index": flights, "_source": {"delay": 1}}]
    done, errors = helpers.bulk(search, actions, raise_on_error=False)
    assert done == 1
    assert errors[0]["index"]["_id"] == "7" and errors[0]["index"]["error"]["type"] == "mapper_parsing_exception"


def test_documents(search, unique):
    index = unique("docs")
    created = search.index(index=index, id="a", body={"n": 1})
    assert (created["result"], created["_version"], created["_primary_term"]) == ("created", 1, 1)
    with pytest.raises(ConflictError) as conflict:
        search.create(index=index, id="a", body={"n": 2})
    assert conflict.value.error == "version_conflict_engine_exception"
    assert search.update(index=index, id="a", body={"doc": {"m": 2}})["result"] == "updated"
    assert search.get(index=index, id="a")["_source"] == {"n": 1, "m": 2}
    assert search.mget(index=index, body={"ids": ["a", "b"]})["docs"][1] == {"_index": index, "_id": "b", "found": False}
    assert len(search.index(index=index, body={"n": 3})["_id"]) == 20
    assert search.delete(index=index, id="a")["result"] == "deleted"
    assert not search.exists(index=index, id="a")
    with pytest.raises(NotFoundError):
        search.get(index=index, id="a")


def test_search(search, flights):
    query = {"bool": {"must": [{"match": {"carrier": "ua"}}], "filter": [{"range": {"at": {"gte": "2013-01-02"}}}]}}
    answer = search.search(index=flights, body={"query": query})
    assert answer["hits"]["total"] == {"value": 1, "relation": "eq"}
    assert answer["hits"]["hits"][0]["_source"] == FLIGHTS[2]
    answer = search.search(index=flights[:-3] + "*", q="carrier:UA AND delay:>10", sort="at:desc", size=1)
    assert [hit["_id"] for hit in answer["hits"]["hits"]] == ["3"]
    answer = search.search(index=flights, body={"sort": [{"delay": "asc"}]}, filter_path="hits.hits._id")
    assert answer == {"hits": {"hits": [{"_id": "2"}, {"_id": "1"}, {"_id": "3"}]}}
    both = search.msearch(index=flights, body=[{}, {"size": 0}, {"index": "absent"}, {}])["responses"]
    assert [one["status"] for one in both] == [200, 404]


def test_aggregations(search, flights):
    days = {"date_histogram": {"field": "at", "calendar_interval": "day", "format": "yyyy-MM-dd"}}
    late = {"avg": {"field": "delay"}}
    aggs = {"carriers": {"terms": {"field": "carrier.keyword"}, "aggs": {"late": late}}, "days": days}
    answer = search.search(index=flights, body={"size": 0, "aggs": aggs})["aggregations"]
    assert [(b["key"], b["doc_count"], b["late"]["value"]) for b in answer["carriers"]["buckets"]] == [
        ("UA", 2, 11.25), ("AA", 1, -4.0),
    ]
    assert [(b["key_as_string"], b["doc_count"]) for b in answer["days"]["buckets"]] == [("2013-01-01", 2), ("2013-01-02", 1)]


def test_indices(search, unique):
    index = unique("made")
    mappings = {"properties": {"carrier": {"type": "keyword"}, "at": {"type": "date"}}}
    search.indices.create(index=index, body={"settings": {"number_of_replicas": 0}, "mappings": mappings})
    assert search.indices.exists(index=index)
    assert search.indices.get_mapping(index=index)[index]["mappings"] == mappings
    search.indices.put_mapping(index=index, body={"properties": {"n": {"type": "long"}}})
    row = search.cat.indices(index=index, format="json")[0]
    assert (row["index"], row["health"], row["docs.count"]) == (index, "green", "0")
    assert search.cat.indices(index=index, v=True).startswith("health status index")
    with pytest.raises(RequestError) as twice:
        search.indices.create(index=index)
    assert twice.value.error == "resource_already_exists_exception"
    search.indices.delete(index=index)
    assert not search.indices.exists(index=index)


def test_what_is_not_there_says_so(search, flights):
    for body, word in [
        ({"query": {"geo_distance": {}}}, "geo_distance"),
        ({"aggs": {"x": {"top_hits": {}}}}, "top_hits"),
        ({"highlight": {}}, "highlight"),
    ]:
        with pytest.raises(RequestError) as error:
            search.search(index=flights, body=body)
        assert error.value.status_code == 400 and word in error.value.info["error"]["reason"]
    with pytest.raises(RequestError) as error:
        search.indices.put_template(name="x", body={"index_patterns": ["x"]})
    assert "no handler found" in error.value.info["error"]["reason"]


def test_acknowledged_documents_survive_kill_9(start_server, unique):
    server = start_server()
    search, index = OpenSearch(server.search_url), unique("kept")
    for batch in range(20):
        actions = [{"_index": index, "_id": f"{batch}-{n}", "_source": {"batch": batch, "n": n}} for n in range(50)]
        assert helpers.bulk(search, actions) == (50, [])
    server.kill9()
    server.restart()
    assert search.count(index=index)["count"] == 1000
    assert search.get(index=index, id="19-49")["_source"] == {"batch": 19, "n": 49}


def test_a_gzip_body_that_is_none_is_refused(server):
    request = urllib.request.Request(f"{server.search_url}/_bulk", data=b"no gzip", method="POST")
    request.add_header("Content-Encoding", "gzip")
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(request)
    assert "not gzip" in json.loads(error.value.read())["error"]["reason"]
    request.data = gzip.compress(b'{"index":{"_index":"packed","_id":"1"}}\n{"a":1}\n')
    assert json.load(urllib.request.urlopen(request))["errors"] is False


def test_a_template_makes_the_days_index_and_a_policy_watches_over_it(search, unique):
    days = unique("days")
    body = {
        "index_patterns": [f"{days}-*"],
        "template": {
            "settings": {"number_of_replicas": 1},
            "aliases": {days: {}},
            "mappings": {"dynamic": False, "properties": {"issuer": {"type": "keyword"}}},
        },
    }
    search.indices.put_index_template(name=days, body=body)
    shown = search.indices.get_index_template(name=days)["index_templates"][0]
    assert shown["name"] == days and shown["index_template"]["index_patterns"] == [f"{days}-*"]
    assert search.indices.exists_index_template(name=days)
    for day in (1, 2):
        search.index(index=f"{days}-{day}", id="a", body={"issuer": "Alder Bank", "emv": "00"}, params={"refresh": "true"})
    found = search.search(index=days, body={"query": {"term": {"issuer": "Alder Bank"}}})["hits"]["hits"]
    assert sorted(hit["_index"] for hit in found) == [f"{days}-1", f"{days}-2"]
    assert search.count(index=days, body={"query": {"match": {"emv": "00"}}})["count"] == 0, "it is kept, not indexed"
    policy = {"policy": {
        "description": "gone after two weeks", "default_state": "hot",
        "states": [
            {"name": "hot", "actions": [], "transitions": [{"state_name": "gone", "conditions": {"min_index_age": "14d"}}]},
            {"name": "gone", "actions": [{"delete": {}}], "transitions": []},
        ],
        "ism_template": [{"index_patterns": [f"{days}-*"], "priority": 1}],
    }}
    path = f"/_plugins/_ism/policies/{days}"
    made = search.transport.perform_request("PUT", path, body=policy)
    assert made["_id"] == days and made["policy"]["policy"]["default_state"] == "hot"
    with pytest.raises(ConflictError):
        search.transport.perform_request("PUT", path, body=policy)
    seen = {"if_seq_no": made["_seq_no"], "if_primary_term": made["_primary_term"]}
    search.transport.perform_request("PUT", path, params=seen, body=policy)
    explained = search.transport.perform_request("GET", f"/_plugins/_ism/explain/{days}-1")
    assert explained[f"{days}-1"]["policy_id"] == days and explained[f"{days}-1"]["state"]["name"] == "hot"
    policy["policy"]["states"][0]["actions"] = [{"read_only": {}}]
    with pytest.raises(RequestError, match="read_only"):
        search.transport.perform_request("PUT", f"{path}-other", body=policy)
    search.transport.perform_request("DELETE", path)
    search.indices.delete_index_template(name=days)
    with pytest.raises(NotFoundError):
        search.indices.get_index_template(name=days)


def rollover_policy(search, name, rollover, transitions=()):
    """A template whose indices belong to the alias `name`, its first index, and a policy that rolls it over."""
    settings = {"plugins.index_state_management.rollover_alias": name}
    search.indices.put_index_template(name=name, body={"index_patterns": [f"{name}-*"], "template": {"settings": settings}})
    search.indices.create(index=f"{name}-000001", body={"aliases": {name: {"is_write_index": True}}})
    states = [
        {"name": "hot", "actions": [{"rollover": rollover}], "transitions": list(transitions)},
        {"name": "old", "actions": [], "transitions": []},
    ]
    template = {"index_patterns": [f"{name}-*"], "priority": 1}
    policy = {"policy": {"description": "full", "default_state": "hot", "states": states, "ism_template": template}}
    return lambda: search.plugins.index_management.put_policy(policy=name, body=policy)


def test_a_policy_rolls_an_alias_over_and_a_kill_does_not_undo_it(start_server, unique):
    server = start_server()
    search, logs = OpenSearch(server.search_url), unique("logs")
    put_policy = rollover_policy(search, logs, {"min_doc_count": 3}, [{"state_name": "old", "conditions": {"min_rollover_age": "0s"}}])
    first, second = f"{logs}-000001", f"{logs}-000002"
    shown = search.indices.get_settings(index=first)[first]["settings"]["index"]
    assert shown["plugins"]["index_state_management"]["rollover_alias"] == logs
    for n in range(2):
        search.index(index=logs, id=str(n), body={"n": n}, params={"refresh": "true"})
    put_policy()
    explained = search.plugins.index_management.explain_index(index=first)[first]
    assert explained["state"]["name"] == "hot" and explained["action"]["name"] == "rollover"
    assert explained["info"]["conditions"] == {"min_doc_count": {"condition": 3, "current": 2}}
    search.index(index=logs, id="2", body={"n": 2}, params={"refresh": "true"})
    # A policy is looked at when the server starts, too.
    server.kill9()
    server.restart()
    wait_for(lambda: search.indices.exists(index=second), seconds=10, what="the index that comes next")
    search.index(index=logs, id="3", body={"n": 3}, params={"refresh": "true"})
    server.kill9()
    server.restart()
    aliases = search.indices.get_alias(name=logs)
    assert aliases == {
        first: {"aliases": {logs: {"is_write_index": False}}}, second: {"aliases": {logs: {"is_write_index": True}}},
    }
    assert (search.count(index=first)["count"], search.count(index=second)["count"], search.count(index=logs)["count"]) == (3, 1, 4)
    explained = search.plugins.index_management.explain_index(index=first)[first]
    assert explained["rolled_over"] is True and explained["state"] == {"name": "old"}


def test_an_alias_is_rolled_over_by_a_request(search, unique):
    logs = unique("logs")
    first, second = f"{logs}-000001", f"{logs}-000002"
    search.indices.create(index=first, body={"aliases": {logs: {"is_write_index": True}}})
    search.index(index=logs, body={"n": 1}, params={"refresh": "true"})
    none = {"conditions": {"max_docs": 2, "max_age": "7d", "max_size": "1gb"}}
    answer = search.indices.rollover(alias=logs, body=none)
    assert answer["conditions"] == {"[max_docs: 2]": False, "[max_age: 7d]": False, "[max_size: 1gb]": False}
    assert not answer["rolled_over"] and not answer["acknowledged"] and answer["new_index"] == second
    full = {"conditions": {"max_docs": 1}, "mappings": {"properties": {"n": {"type": "keyword"}}}}
    tried = search.indices.rollover(alias=logs, body=full, params={"dry_run": "true"})
    assert tried["dry_run"] and not tried["rolled_over"] and not search.indices.exists(index=second)
    done = search.indices.rollover(alias=logs, body=full)
    assert done == {
        "acknowledged": True, "shards_acknowledged": True, "old_index": first, "new_index": second, "rolled_over": True,
        "dry_run": False, "conditions": {"[max_docs: 1]": True},
    }
    search.index(index=logs, id="b", body={"n": 2})
    assert search.exists(index=second, id="b") and not search.exists(index=first, id="b")
    assert search.indices.get_mapping(index=second)[second]["mappings"]["properties"]["n"] == {"type": "keyword"}
    named = search.indices.rollover(alias=logs, new_index=f"{logs}-by-hand")
    assert named["new_index"] == f"{logs}-by-hand" and named["rolled_over"] and named["conditions"] == {}
    for body, params, word in [
        ({}, {}, "does not match pattern"),
        ({"conditions": {"max_primary_shard_size": "1gb"}}, {}, "max_primary_shard_size"),
        ({}, {"dry": "true"}, "unrecognized parameter"),
    ]:
        with pytest.raises(RequestError) as error:
            search.indices.rollover(alias=logs, body=body, params=params)
        assert error.value.status_code == 400 and word in error.value.info["error"]["reason"]
