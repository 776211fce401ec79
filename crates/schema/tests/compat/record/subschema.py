"""What `jsonsubschema` says: whether one JSON Schema admits everything that another does."""

import json
import signal
import sys

from jsonsubschema import isSubschema

SECONDS_MAX = 10


def late(*_):
    raise TimeoutError("no answer in time")


signal.signal(signal.SIGALRM, late)
for line in sys.stdin:
    row = json.loads(line)
    older, newer = json.loads(row["old"]), json.loads(row["new"])
    said = {}
    for direction, writer, reader in (("backward", older, newer), ("forward", newer, older)):
        signal.alarm(SECONDS_MAX)
        try:
            said[direction] = bool(isSubschema(writer, reader))
        except BaseException as error:
            said["error"] = type(error).__name__ + ": " + str(error)[:80]
        finally:
            signal.alarm(0)
    print(json.dumps(said))
