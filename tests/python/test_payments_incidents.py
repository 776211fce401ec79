"""What goes wrong in a payments day, played as a user plays it: `millrace demo payments --incident …`.

Each incident rings its alarm, the doctor names its cause, and the audit finds every event. An issuer's outage is played by
`cargo xtask test payments`, with a SIGKILL in it.
"""

import json
import subprocess

import pytest

from conftest import BINARY, clean_environment, free_port

# The alarm that rings, and what the doctor calls it.
SIGNS = {
    "fraud-ring": ("payments-fraud", None),
    "poison": ("payments-dead-letters", "dead letters"),
    "whale": ("payments-throttled-writes", "throttled writes"),
    "slow-index": ("payments-iterator-age", "climbing iterator age"),
    "schema-break": ("payments-dead-letters", "broken contract"),
}


@pytest.fixture(scope="module")
def days(tmp_path_factory):
    """A day for each incident, all at the same time: one takes a minute and a half, and a while to end."""
    folder = tmp_path_factory.mktemp("incidents")

    def play(incident):
        words = ["--rate", "250", "--minutes", "1.5", "--curve", "flat", "--exit", "--report", folder / f"{incident}.json"]
        words += ["--port", free_port(), "--search-port", free_port(), "--incident", incident]
        log = open(folder / f"{incident}.log", "w")
        return subprocess.Popen(
            [BINARY, "demo", "payments", *map(str, words)], env=clean_environment(), stdout=log, stderr=subprocess.STDOUT
        )

    running = {incident: play(incident) for incident in SIGNS}
    yield folder, running
    for process in running.values():
        process.kill()
        process.wait()


def ringing(report):
    """The alarms that rang while the incident lasted, or until a minute after: on a machine that is late from the beginning,
    one may have begun before, and then it went on."""
    began, end = report["incident"]["began_at"], report["incident"]["ended_at"] + 60_000
    state, alarms = {}, set()
    for told in (told for told in report["alarms"] if told["changed_at"] < end):
        if told["changed_at"] >= began and told["state"] == "ALARM":
            alarms.add(told["alarm"])
        elif told["changed_at"] < began:
            state[told["alarm"]] = told["state"]
    return alarms | {alarm for alarm in state if state[alarm] == "ALARM"}


@pytest.mark.timeout(400)
@pytest.mark.parametrize("incident", SIGNS)
def test_an_incident_rings_and_loses_nothing(days, incident):
    folder, running = days
    status = running[incident].wait(timeout=300)
    assert status == 0, (folder / f"{incident}.log").read_text()
    report = json.loads((folder / f"{incident}.json").read_text())
    for view in (report["index"], report["lake"]):
        assert view["found"] > 1000 and (view["missing"], view["doubled"]) == (0, 0)
    alarm, cause = SIGNS[incident]
    assert alarm in ringing(report)
    findings = report["incident"]["doctor"]
    assert cause is None or any(finding.startswith(cause) for finding in findings), findings
