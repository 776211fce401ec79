"""The console in Chromium: what all tests of its views share.

    from console_page import browser, console, signed_in   (pytest finds fixtures by their names in the module)

    browser     Debian's chromium, headless, one for the session; tests are skipped where there is none
    locked      a server with --auth on whose pipeline is deployed and fed all the time
    signed_in   a page that is signed in with the root key: signed_in.open("streams/orders"), .page, .problems

A page that logs an error, or throws one, fails its test when it is closed.
"""

import configparser
import json
import shutil
import threading
import time

import boto3
import pytest

from conftest import TEMPLATES, Server

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FED_STREAM = "console-orders"


def root_key(server):
    file = configparser.ConfigParser()
    file.read(server.data / "credentials")
    section = file["default"]
    return section["aws_access_key_id"], section["aws_secret_access_key"]


def locked_client(server, service):
    key, secret = root_key(server)
    return boto3.client(
        service, endpoint_url=server.endpoint, region_name="us-east-1", aws_access_key_id=key, aws_secret_access_key=secret
    )


class Feeder(threading.Thread):
    """Puts orders into the stream, some twenty a second, one key more often than others."""

    def __init__(self, kinesis):
        super().__init__(daemon=True)
        self.kinesis, self.ended = kinesis, threading.Event()

    def run(self):
        number = 0
        while not self.ended.wait(0.25):
            records = []
            for _ in range(5):
                number += 1
                order = {"order_id": number, "customer": f"c-{number % 7}", "amount": round(number % 90 + 0.5, 2),
                         "at": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())}
                key = "whale" if number % 2 else f"c-{number % 7}"
                records.append({"Data": json.dumps(order).encode(), "PartitionKey": key})
            self.kinesis.put_records(StreamName=FED_STREAM, Records=records)

    def stop(self):
        self.ended.set()
        self.join(10)


class Signed:
    """A page that is signed in. What goes wrong in it is in `problems`."""

    def __init__(self, page, server):
        self.page, self.server, self.problems = page, server, []
        page.on("console", lambda message: message.type == "error" and self.problems.append(message.text))
        page.on("pageerror", lambda error: self.problems.append(str(error)))

    def sign_in(self, key, secret):
        self.page.goto(f"{self.server.endpoint}/_console")
        self.page.get_by_label("Access key ID").fill(key)
        self.page.get_by_label("Secret access key").fill(secret)
        self.page.get_by_role("button", name="Sign in").click()

    def open(self, view):
        """Goes to a view, `streams/orders?tab=records`, and waits until it has drawn itself."""
        self.page.goto(f"{self.server.endpoint}/_console#/{view}")
        self.page.locator("main .page h1").wait_for()
        return self.page


@pytest.fixture(scope="session")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="the console's tests need `pip install playwright`")
    if not CHROMIUM:
        pytest.skip("the console's tests need chromium: apt-get install chromium")
    with playwright.sync_playwright() as running:
        chromium = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def locked(tmp_path_factory):
    server = Server(
        tmp_path_factory.mktemp("console"), TEMPLATES / "console.yaml", arguments=["--auth", "on"]
    ).start()
    feeder = Feeder(locked_client(server, "kinesis"))
    feeder.start()
    yield server
    feeder.stop()
    server.stop()


@pytest.fixture
def new_page(browser, locked):
    """A factory of pages in contexts of their own, which nobody is signed in at."""
    contexts, pages = [], []

    def make(**options):
        context = browser.new_context(viewport={"width": 1440, "height": 900}, **options)
        contexts.append(context)
        pages.append(Signed(context.new_page(), locked))
        pages[-1].page.set_default_timeout(15_000)
        return pages[-1]

    yield make
    problems = [problem for page in pages for problem in page.problems]
    for context in contexts:
        context.close()
    assert not problems, problems


@pytest.fixture
def signed_in(new_page, locked):
    page = new_page()
    page.sign_in(*root_key(locked))
    page.page.locator("#main").wait_for()
    return page
