"""The console at /_console: its shell, and the views of the pipeline, streams, jobs, SQL and alarms, in a real browser."""

import gzip
import re
import urllib.error
import urllib.request

import pytest
from conftest import wait_for
from console_page import FED_STREAM, browser, locked, locked_client, new_page, root_key, signed_in  # noqa: F401


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
    page.get_by_role("tab", name="Figures").click()
    eventually(lambda: page.locator("main canvas").count() == 5, what="five charts")


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
    for view in ("pipeline", "streams", f"streams/{FED_STREAM}", "jobs", "sql", "alarms"):
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
