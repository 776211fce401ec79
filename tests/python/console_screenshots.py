"""Makes docs/screenshots: every view of the console over a server that runs and is fed.

    python3 console_screenshots.py http://127.0.0.1:4566 DATA/credentials [VIEW …]
"""

import configparser
import pathlib
import sys

from playwright.sync_api import sync_playwright

from console_page import CHROMIUM

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "docs" / "screenshots"
VIEWS = {
    "pipeline": "pipeline",
    "streams": "streams/authorizations",
    "jobs": "jobs",
    "functions": "functions/enrich-authorizations",
    "delivery": "delivery/authorizations-to-lake",
    "dead-letters": "dlq/authorizations-failed",
    "search": "search?span=15m&columns=authorization_id,amount,merchant.name,issuer,response_code,merchant_category",
    "schemas": "schemas/payments/authorization",
    "dashboards": "dashboards/payments",
    "alarms": "alarms",
}


def main(endpoint, credentials, *wanted):
    keys = configparser.ConfigParser()
    keys.read(credentials)
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
            # Rates are means of some seconds.
            page.wait_for_timeout(5000)
            page.screenshot(path=FOLDER / f"{name}.png")


if __name__ == "__main__":
    main(*sys.argv[1:])
