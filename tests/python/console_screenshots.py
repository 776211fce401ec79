"""Makes docs/screenshots: every view of the console over a server that runs and is fed.

    python3 console_screenshots.py http://127.0.0.1:4566 DATA/credentials [VIEW …]
"""

import configparser
import json
import pathlib
import sys

import boto3
from playwright.sync_api import sync_playwright

from console_page import CHROMIUM

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "docs" / "screenshots"
VIEWS = {
    "pipeline": "pipeline",
    "streams": "streams/authorizations",
    "jobs": "jobs/payments",
    "checkpoints": "jobs/payments?tab=checkpoints",
    "functions": "functions/enrich-authorizations",
    "delivery": "delivery/authorizations-to-lake",
    "dead-letters": "dlq/authorizations-failed",
    "search": "search?span=15m&columns=authorization_id,amount,merchant.name,issuer,response_code,merchant_category",
    "sql": "sql",
    "schemas": "schemas/payments/authorization",
    "dashboards": "dashboards/payments",
    "alarms": "alarms",
}


def panel(x, title, *metrics, **more):
    properties = {"title": title, "metrics": metrics, "stat": "Sum", "period": 10, "region": "us-east-1", **more}
    return {"type": "metric", "x": x, "y": 0, "width": 8, "height": 7, "properties": properties}


def counts(x, title, query):
    params = {"index": "authorizations", "query": query, "time": "event_time"}
    return {"type": "custom", "x": x, "y": 7, "width": 12, "height": 7, "properties": {"endpoint": "millrace:search", "title": title, "params": params}}


def put_dashboard(endpoint, keys):
    """The template of the payments has none yet: panels of metrics and of the index."""
    client = boto3.client("cloudwatch", endpoint_url=endpoint, region_name="us-east-1", **keys)
    widgets = [
        panel(0, "Authorizations in", ["AWS/Kinesis", "IncomingRecords", "StreamName", "authorizations"]),
        panel(8, "Iterator age", ["AWS/Lambda", "IteratorAge", "FunctionName", "enrich-authorizations", {"stat": "Maximum"}]),
        panel(16, "Calls of the enrichment", ["AWS/Lambda", "Invocations", "FunctionName", "enrich-authorizations"], ["AWS/Lambda", "Errors", "FunctionName", "enrich-authorizations"]),
        counts(0, "Declines, by the index", "is_decline:true"),
        counts(12, "Over 500, by the index", "amount:>500"),
    ]
    client.put_dashboard(DashboardName="payments", DashboardBody=json.dumps({"start": "-PT15M", "widgets": widgets}))


def run_query(page):
    page.get_by_label("Write the table of a stream").select_option("authorizations")
    editor = page.locator("textarea")
    page.wait_for_function("document.querySelector('textarea').value.includes('CREATE TABLE')")
    table = editor.input_value().split("SELECT")[0].rstrip()
    editor.fill(f"{table}\n\nSELECT authorization_id, amount, currency, response_code FROM authorizations WHERE amount > 200;")
    editor.press("Control+Enter")


def main(endpoint, credentials, *wanted):
    keys = configparser.ConfigParser()
    keys.read(credentials)
    put_dashboard(endpoint, keys["default"])
    FOLDER.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as running:
        page = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"]).new_page(viewport={"width": 1440, "height": 700})
        page.goto(f"{endpoint}/_console")
        page.get_by_label("Access key ID").fill(keys["default"]["aws_access_key_id"])
        page.get_by_label("Secret access key").fill(keys["default"]["aws_secret_access_key"])
        page.get_by_role("button", name="Sign in").click()
        page.locator("#main").wait_for()
        for name in wanted or VIEWS:
            page.goto(f"{endpoint}/_console#/{VIEWS[name]}")
            if name == "sql":
                run_query(page)
            # Rates are means of some seconds.
            page.wait_for_timeout(5000)
            page.screenshot(path=FOLDER / f"{name}.png")


if __name__ == "__main__":
    main(*sys.argv[1:])
