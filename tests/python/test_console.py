"""The console at /_console: its shell and its views, in a real browser."""

import gzip
import io
import json
import pathlib
import re
import time
import urllib.error
import urllib.request
import zipfile

import pytest
from conftest import wait_for
from console_page import FED_STREAM, browser, locked, locked_client, new_page, root_key, signed_in  # noqa: F401


VIEWS = ("pipeline", "streams", "jobs", "functions", "delivery", "dlq", "search", "sql", "schemas", "dashboards", "alarms")
BREAKS = """
import os

def handler(event, context):
    print("handling", event["order"])
    if os.environ.get("BROKEN"):
        raise ValueError("broken on purpose")
    return {"fine": event["order"]}
"""


def get(url, **headers):
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
        return answer.status, dict(answer.headers), answer.read()


def table(page, label):
    return page.locator(f'table[aria-label="{label}"]')


def number(text):
    """The first figure of a text: "1,204/s" → 1204."""
    found = re.search(r"\d[\d,.]*", text)
    return float(found[0].replace(",", "")) if found else None


def test_files_need_no_credentials_and_are_cached(locked):
    status, headers, body = get(f"{locked.endpoint}/_console")
    assert status == 200 and b"<script type=\"module\"" in body
    assert "default-src 'self'" in headers["content-security-policy"]
    _, headers, packed = get(f"{locked.endpoint}/_console/app.js", **{"Accept-Encoding": "gzip"})
    assert headers["content-encoding"] == "gzip" and b"render" in gzip.decompress(packed)
    with pytest.raises(urllib.error.HTTPError) as unchanged:
        get(f"{locked.endpoint}/_console/app.js", **{"If-None-Match": headers["etag"]})
    assert unchanged.value.code == 304
    with pytest.raises(urllib.error.HTTPError) as absent:
        get(f"{locked.endpoint}/_console/../credentials")
    assert absent.value.code in (400, 403, 404)


def test_a_wrong_key_is_refused_and_sign_out_forgets(new_page, locked):
    page = new_page()
    key, secret = root_key(locked)
    page.sign_in(key, "not-the-secret")
    alert = page.page.get_by_role("alert")
    alert.wait_for()
    assert "signature" in alert.inner_text().lower()
    # The browser itself reports the refused request; nothing else may go wrong.
    assert all("403" in problem or "400" in problem for problem in page.problems), page.problems
    page.problems.clear()
    page.page.get_by_label("Secret access key").fill(secret)
    page.page.get_by_role("button", name="Sign in").click()
    page.page.locator("#main").wait_for()
    assert key in page.page.evaluate("JSON.stringify(sessionStorage)")
    assert key not in page.page.evaluate("JSON.stringify(localStorage)")
    page.page.get_by_role("button", name="Sign out").click()
    page.page.get_by_label("Access key ID").wait_for()
    assert secret not in page.page.evaluate("JSON.stringify(sessionStorage)")


def test_the_pipeline_is_drawn_and_moves(signed_in, eventually):
    page = signed_in.open("pipeline")
    for stage in ("Stream console-orders", "Job console-totals-job", "Delivery console-orders-to-lake"):
        page.get_by_label(re.compile(f"^{stage}")).wait_for()
    coming_in = page.locator(".stat", has_text="Coming in").locator(".stat-value")
    eventually(lambda: (number(coming_in.inner_text()) or 0) > 5, 20, "records to come in")
    eventually(lambda: page.locator(".edge.moving").count() >= 3, 20, "edges to move")
    eventually(lambda: page.locator(".stage-alarm").count() >= 1, 20, "the alarm to show on its stream")
    page.get_by_label(re.compile("^Stream console-orders")).click()
    page.get_by_role("heading", name=FED_STREAM).wait_for()


def test_what_is_wrong_stands_at_the_edge_where_it_is(signed_in, eventually):
    def fails(route):
        answer = route.fetch()
        told = answer.json()
        for delivery in told["deliveries"]:
            delivery["error"] = "the bucket is gone"
        route.fulfill(response=answer, json=told)

    page = signed_in.open("pipeline")
    page.get_by_label(re.compile("^Delivery console-orders-to-lake")).wait_for()
    assert page.locator(".edge-label.bad").count() == 0
    page.route("**/_millrace/vitals", fails)
    label = page.locator(".edge-label.bad", has_text="fails")
    label.wait_for()
    assert "the bucket is gone" in label.get_attribute("title")


def test_a_stream_shows_shards_keys_readers_and_records(signed_in, locked, eventually):
    page = signed_in.open(f"streams/{FED_STREAM}")
    eventually(lambda: table(page, "Shards").locator("tbody tr").count() == 2, what="two shards")
    eventually(lambda: "whale" in str(page.locator(".hot-keys").all_inner_texts()), 20, "the hot key")
    page.get_by_role("tab", name=re.compile("Consumers")).click()
    page.get_by_role("cell", name=re.compile("console-orders-to-lake")).wait_for()
    page.get_by_role("tab", name="Records").click()
    rows = table(page, "Records").locator("tbody tr")
    eventually(lambda: rows.count() > 10, what="records")
    first = rows.first.inner_text()
    eventually(lambda: rows.first.inner_text() != first, what="newer records")
    page.get_by_role("button", name="Put a record").click()
    page.locator("dialog").get_by_label("Partition key").fill("by-hand")
    page.locator("dialog textarea").fill(
        '{"order_id": 0, "customer": "by hand", "amount": 1.5, "at": "2026-01-01T00:00:00Z"}'
    )
    page.get_by_role("button", name="Put it").click()
    page.get_by_placeholder("Text or key").fill("by-hand")
    page.get_by_role("cell", name="by-hand").click()
    page.locator("dialog .json", has_text="by hand").wait_for()


def test_a_job_shows_its_plan_and_is_stopped_and_started(signed_in, eventually):
    page = signed_in.open("jobs/console-totals-job")
    plan = page.get_by_label("The job's operators")
    eventually(lambda: plan.locator(".graph-node").count() >= 4, what="operators")
    eventually(lambda: "watermark" in plan.inner_text(), 20, "a watermark")
    rows = plan.locator(".stage-note").first
    before = number(rows.inner_text())
    eventually(lambda: (number(rows.inner_text()) or 0) > before, what="rows to be read")
    page.get_by_role("button", name="Stop", exact=True).click()
    page.get_by_role("button", name="Stop it").click()
    page.get_by_text("READY").wait_for()
    page.get_by_role("button", name="Start", exact=True).click()
    page.get_by_text("RUNNING").wait_for()
    checkpoints = table(page, "Checkpoints of job 1").locator("tbody tr")
    page.get_by_role("tab", name="Checkpoints").click()
    eventually(lambda: {"RESTORED", "COMPLETED"} <= outcomes(checkpoints), 20, "the checkpoint that it began from, and the next")
    taken = checkpoints.filter(has_text="COMPLETED").first.inner_text()
    assert re.search(r"\d ms|\d s", taken) and re.search(r"\d (B|KB)", taken), taken
    page.get_by_role("tab", name="Figures").click()
    eventually(lambda: page.locator("main canvas").count() == 5, what="five charts")


def outcomes(checkpoints):
    return {text for row in checkpoints.all_inner_texts() for text in row.split() if text.isupper() and len(text) > 4}


def test_a_job_says_which_operator_works_and_which_is_held_back(signed_in, eventually):
    began = time.monotonic()

    def slowed(route):
        """What the server tells, as if the sink took all of its thread's time and what is before the window waited for most of its."""
        answer = route.fetch()
        told, passed = answer.json(), (time.monotonic() - began) * 1e6
        for plan in (job["plan"] for application in told["applications"] for job in application["jobs"]):
            window = next(place for place, node in enumerate(plan) if node["kind"] == "WindowAggregate")
            for place, node in enumerate(plan):
                assert node["threads"], node
                for thread in node["threads"]:
                    thread["busy_us"] = int(passed * 2 if node["kind"] == "Sink" else passed / 20)
                    thread["back_pressured_us"] = int(passed * 0.8) if place < window else 0
        route.fulfill(response=answer, json=told)

    signed_in.page.route("**/_millrace/jobs", slowed)
    page = signed_in.open("jobs/console-totals-job")
    plan = page.get_by_label("The job's operators")
    plan.locator(".operator.bad", has_text="Sink").wait_for()
    assert "held back" not in plan.locator(".operator.bad").first.inner_text()
    held = plan.locator(".operator", has_text="Source")
    eventually(lambda: re.search(r"held back [6-9]\d %", held.first.inner_text()), what="the source to be held back")
    # The edge between what waits and what it waits for says so, and no other.
    eventually(lambda: plan.locator(".edge-label.warn", has_text="held back").count() == 1, what="the edge")
    page.get_by_text("As EXPLAIN tells it").click()
    eventually(lambda: re.search(r"[6-9]\d\.\d %", table(page, "Operators").inner_text()), what="the table's share")


def test_sql_begins_with_a_stream_and_shows_rows_as_they_come(signed_in, eventually):
    page = signed_in.open("sql")
    page.get_by_label("Write the table of a stream").select_option(FED_STREAM)
    editor = page.locator("textarea")
    eventually(lambda: "CREATE TABLE console_orders" in editor.input_value(), what="the table")
    editor.fill(editor.input_value().replace("SELECT * FROM", "SELECT customer, amount FROM"))
    editor.press("Control+Enter")
    result = table(page, "Result")
    eventually(lambda: result.locator("tbody tr").count() > 5, 20, "rows")
    before = number(page.get_by_text("rows so far").inner_text())
    eventually(lambda: number(page.get_by_text("rows so far").inner_text()) > before, what="more rows")
    assert result.locator("th").all_inner_texts() == ["customer", "amount"]
    page.get_by_role("button", name="Stop", exact=True).click()
    page.get_by_text(re.compile("stopped")).wait_for()
    editor.fill("SELECT * FROM nowhere;")
    page.get_by_role("button", name="Run").click()
    alert = page.get_by_role("alert")
    eventually(lambda: "nowhere" in alert.inner_text() and "console:1:15" in alert.inner_text(), what="the error's place")


def test_an_alarm_rings_and_is_muted(signed_in, locked, eventually):
    page = signed_in.open("alarms")
    row = page.get_by_role("row", name=re.compile("console-busy")).first
    eventually(lambda: "ALARM" in row.inner_text(), 20, "the alarm to ring")
    row.get_by_role("link", name="console-busy").click()
    page.get_by_role("heading", name="console-busy").wait_for()
    page.get_by_role("cell", name=re.compile("to ALARM")).first.wait_for()
    page.get_by_role("button", name="Mute", exact=True).click()
    page.locator("dialog").get_by_role("button", name="Mute").click()
    page.get_by_text(re.compile("is muted until")).wait_for()
    rules = locked_client(locked, "cloudwatch").list_alarm_mute_rules()["AlarmMuteRuleSummaries"]
    assert len(rules) == 1 and "console-busy" in rules[0]["AlarmMuteRuleArn"]
    page.get_by_role("button", name="Turn actions off").click()
    eventually(lambda: not alarm(locked)["ActionsEnabled"], what="actions to be off")


def alarm(server):
    return locked_client(server, "cloudwatch").describe_alarms(AlarmNames=["console-busy"])["MetricAlarms"][0]


def test_keys_lead_everywhere_and_the_theme_changes(signed_in, eventually):
    page = signed_in.open("pipeline")
    page.keyboard.press("g")
    page.keyboard.press("s")
    page.get_by_role("heading", name="Streams", exact=True).wait_for()
    page.keyboard.press("/")
    page.keyboard.type("totals")
    eventually(lambda: page.locator("main tbody tr").count() == 1, what="the filter")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    page.get_by_role("heading", name="Keyboard").wait_for()
    page.keyboard.press("Escape")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.keyboard.press("t")
    assert page.evaluate(ground) != light
    page.keyboard.press("p")
    page.get_by_text("Paused: nothing is asked for").wait_for()


def test_a_phone_shows_it_too(new_page, locked):
    phone = new_page()
    phone.page.set_viewport_size({"width": 390, "height": 800})
    phone.sign_in(*root_key(locked))
    phone.open("streams")
    phone.page.get_by_role("button", name="Views").click()
    phone.page.get_by_role("link", name="Alarms").click()
    phone.page.get_by_role("heading", name="Alarms", exact=True).wait_for()
    for view in (*VIEWS, f"streams/{FED_STREAM}", "delivery/console-orders-to-lake"):
        phone.open(view)
        wide = phone.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, f"{view} is {wide} pixels too wide"


def test_who_may_not_see_is_told_so(new_page, locked, eventually):
    iam = locked_client(locked, "iam")
    iam.create_user(UserName="console-reader")
    iam.put_user_policy(
        UserName="console-reader", PolicyName="streams",
        PolicyDocument='{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kinesis:List*","Resource":"*"}]}',
    )
    key = iam.create_access_key(UserName="console-reader")["AccessKey"]
    page = new_page()
    page.sign_in(key["AccessKeyId"], key["SecretAccessKey"])
    page.page.locator("#main").wait_for()
    page.open("streams")
    page.page.get_by_role("link", name=FED_STREAM).wait_for()
    page.open("alarms")
    eventually(lambda: "cloudwatch:DescribeAlarms" in page.page.get_by_role("alert").inner_text(), what="the refusal")
    # Refused requests are in the browser's log; nothing else may be.
    assert all("status of 40" in problem for problem in page.problems), page.problems
    page.problems.clear()


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_draws_itself(signed_in, view):
    page = signed_in.open(view)
    page.locator("main .spinner").first.wait_for(state="detached")
    assert page.locator("main .state.failed").count() == 0, page.locator("main").inner_text()
    assert page.locator("nav [aria-current=page]").count() == 1


@pytest.fixture(scope="module")
def broken(locked):
    """A function that fails for as long as its variable says so, and the queue that takes its events then."""
    iam, sqs, functions = (locked_client(locked, service) for service in ("iam", "sqs", "lambda"))
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = iam.create_role(RoleName="console-breaks", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}))
    may = {"Effect": "Allow", "Action": ["sqs:SendMessage", "logs:*"], "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [may]})
    iam.put_role_policy(RoleName="console-breaks", PolicyName="may", PolicyDocument=policy)
    url = sqs.create_queue(QueueName="console-broken")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("app.py", BREAKS)
    functions.create_function(
        FunctionName="console-breaks", Runtime="python3.12", Handler="app.handler", Role=role["Role"]["Arn"],
        Code={"ZipFile": package.getvalue()}, Environment={"Variables": {"BROKEN": "yes"}},
    )
    functions.get_waiter("function_active_v2").wait(FunctionName="console-breaks", WaiterConfig={"Delay": 1})
    functions.put_function_event_invoke_config(
        FunctionName="console-breaks", MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": arn}}
    )
    for order in (41, 42):
        functions.invoke(FunctionName="console-breaks", InvocationType="Event", Payload=json.dumps({"order": order}))
    return functions


def test_a_function_shows_its_log_and_is_called_by_hand(signed_in, broken, eventually):
    page = signed_in.open("functions/console-breaks?tab=logs")
    eventually(lambda: "handling 42" in page.get_by_label("Log", exact=True).inner_text(), 30, "the function's lines")
    page.get_by_role("tab", name="Invoke").click()
    page.get_by_label("Event", exact=True).fill('{"order": 7}')
    page.get_by_role("button", name="Invoke").click()
    page.locator(".json", has_text="broken on purpose").wait_for()


def test_dead_letters_are_looked_at_redriven_and_dropped(signed_in, broken, eventually):
    page = signed_in.open("dlq")
    page.get_by_role("link", name="console-broken").click()
    rows = table(page, "Dead letters").locator("tbody tr")
    eventually(lambda: rows.count() == 2, 30, "two events to be given up")
    rows.first.locator("td").nth(3).click()
    page.locator("dialog .json", has_text="broken on purpose").wait_for()
    page.keyboard.press("Escape")
    rows.first.get_by_role("button", name="Redrive").click()
    page.get_by_role("status").get_by_text("0 of 1 brought back, 1 failed again").wait_for()
    assert rows.count() == 2

    broken.update_function_configuration(FunctionName="console-breaks", Environment={"Variables": {"NOW": "mended"}})
    broken.get_waiter("function_updated_v2").wait(FunctionName="console-breaks", WaiterConfig={"Delay": 1})
    page.get_by_placeholder("Text of the message").fill('"order":41')
    eventually(lambda: rows.count() == 1, what="the filter")
    page.get_by_role("button", name="Redrive these").click()
    page.locator("dialog").get_by_role("button", name="Redrive it").click()
    page.get_by_role("status").get_by_text("1 of 1 brought back, 0 failed again").wait_for()
    page.get_by_placeholder("Text of the message").fill("")
    eventually(lambda: rows.count() == 1, what="the message to be gone")
    page.get_by_role("button", name="Drop all").click()
    page.locator("dialog").get_by_role("button", name="Drop").click()
    page.get_by_text("Nothing has failed").wait_for()


def test_a_delivery_shows_its_objects(signed_in, eventually):
    page = signed_in.open("delivery")
    page.get_by_role("link", name="console-orders-to-lake").click()
    objects = table(page, "Objects").locator("tbody tr")
    for _ in range(4):
        objects.first.wait_for()
        objects.first.get_by_role("button").click()
        # A folder for each part of the hour, which the prefix ends with.
        page.wait_for_timeout(300)
    objects.first.get_by_role("button").click()
    page.locator("dialog .code", has_text="order_id").wait_for()


def test_a_search_finds_a_document(signed_in, eventually):
    page = signed_in.open("pipeline")
    put = """([id, body]) => import('/_console/lib/search.js').then(({ search }) =>
        search('PUT', `/console-docs/_doc/${id}`, { query: { refresh: 'true' }, body }))"""
    for place in range(30):
        document = {"colour": ("red", "blue", "green")[place % 3], "place": place, "at": f"2026-11-21T10:{place:02}:00Z"}
        page.evaluate(put, [place, document])
    page = signed_in.open("search?index=console-docs")
    page.get_by_role("heading", name="30 documents").wait_for()
    page.get_by_label("Query").fill("colour:blue AND place:[3 TO 10]")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="3 documents").wait_for()
    documents = table(page, "Documents").locator("tbody tr")
    assert documents.count() == 3
    assert page.locator("datalist option").count() == 0
    query = page.get_by_label("Query")
    query.fill("colour:blue AND pl")
    assert page.locator("datalist option").evaluate_all("all => all.map(each => each.value)") == ["colour:blue AND place:"]
    query.fill("colour:blue AND place:[3 TO 10]")
    with page.expect_download() as file:
        page.get_by_role("button", name="CSV").click()
    lines = pathlib.Path(file.value.path()).read_text().splitlines()
    assert lines[0] == "_id,at,colour,place" and len(lines) == 4 and lines[1].endswith("T10:10:00Z,blue,10"), lines
    page.get_by_label("Time", exact=True).select_option("choose")
    for label, minute in (("From", "05"), ("To", "08")):
        local = page.evaluate("at => { const d = new Date(at); return new Date(d - d.getTimezoneOffset() * 60000).toISOString().slice(0, 19) }", f"2026-11-21T10:{minute}:00Z")
        page.locator("dialog").get_by_label(label).fill(local)
    page.get_by_role("button", name="Look there").click()
    page.get_by_role("heading", name="1 document").wait_for()
    page.get_by_label("Time", exact=True).select_option("all")
    page.get_by_role("heading", name="3 documents").wait_for()
    documents.first.click()
    page.locator(".document", has_text="2026-11-21T10:10:00Z").wait_for()
    page.get_by_role("button", name="colour", exact=True).first.click()
    page.get_by_role("button", name="Without blue").click()
    page.get_by_text("Nothing was found").wait_for()
    # The address holds the search.
    address = page.url
    page.goto("about:blank")
    page.goto(address)
    page.get_by_text("Nothing was found").wait_for()
    page.get_by_role("button", name="Remove the filter").click()
    page.get_by_role("heading", name="3 documents").wait_for()


def test_schemas_versions_are_compared_and_a_draft_is_checked(signed_in, locked, eventually):
    glue = locked_client(locked, "glue")
    glue.create_registry(RegistryName="console")
    schema = {"RegistryName": "console", "SchemaName": "order"}
    avro = {"type": "record", "name": "order", "fields": [{"name": "id", "type": "long"}]}
    glue.create_schema(
        RegistryId={"RegistryName": "console"}, SchemaName="order", DataFormat="AVRO", Compatibility="BACKWARD",
        SchemaDefinition=json.dumps(avro),
    )
    avro["fields"].append({"name": "note", "type": "string", "default": ""})
    glue.register_schema_version(SchemaId=schema, SchemaDefinition=json.dumps(avro))
    page = signed_in.open("schemas/console/order?tab=changes")
    page.locator(".diff-new", has_text='"name": "note"').wait_for()
    [change] = table(page, "What changed").locator("tbody tr").all_inner_texts()
    assert "new" in change and "fields › note" in change and '"default":""' in change, change
    page.get_by_label("From version").select_option("2")
    page.get_by_label("To version").select_option("1")
    page.locator('table[aria-label="What changed"] tr', has_text="gone").wait_for()
    page.get_by_role("tab", name="Check a draft").click()
    page.get_by_label("Definition").fill('{"type": "record"}')
    page.get_by_role("button", name="Check", exact=True).click()
    page.get_by_text("It is no definition").wait_for()


def test_a_dashboard_is_made_filled_and_kept(signed_in, locked, eventually):
    page = signed_in.open("dashboards")
    page.get_by_role("button", name="New dashboard").click()
    page.locator("dialog").get_by_label("Name").fill("console-test")
    page.get_by_role("button", name="Make it").click()
    page.get_by_role("button", name="Add a panel").click()
    dialog = page.locator("dialog")
    dialog.get_by_label("Namespace").select_option("AWS/Kinesis")
    dialog.get_by_label("Filter").fill(f"IncomingRecords StreamName={FED_STREAM}")
    dialog.get_by_role("button", name="Add").first.click()
    dialog.get_by_role("button", name="Save").click()
    page.locator(".dashboard canvas").wait_for()
    kept = locked_client(locked, "cloudwatch").get_dashboard(DashboardName="console-test")["DashboardBody"]
    [widget] = json.loads(kept)["widgets"]
    assert widget["properties"]["metrics"][0][:4] == ["AWS/Kinesis", "IncomingRecords", "StreamName", FED_STREAM]
    page.get_by_role("button", name="Remove Metrics").click()
    page.locator("dialog").get_by_role("button", name="Remove").click()
    page.get_by_text("No panels yet").wait_for()
