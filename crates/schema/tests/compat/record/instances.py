"""What instances say: some dozens of valid ones of the writer's schema are shown to the reader's validator.

"false" comes with an instance that proves it; "true" means that none was found.
"""

import json
import random
import signal
import sys

import jsonschema
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis_jsonschema import from_schema

EXAMPLES = 40
SECONDS_MAX = 3


def refused(writer, reader):
    """An instance that the writer's schema accepts and the reader's does not."""
    of_writer = jsonschema.validators.validator_for(writer, default=jsonschema.Draft7Validator)
    of_reader = jsonschema.validators.validator_for(reader, default=jsonschema.Draft7Validator)
    accepts = of_writer(writer, format_checker=formats(writer, of_writer)).is_valid
    reads = of_reader(reader, format_checker=formats(reader, of_reader)).is_valid
    found = []

    @seed(7)
    @settings(max_examples=EXAMPLES, database=None, deadline=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))
    @given(from_schema(writer))
    def look(instance):
        if not found and accepts(instance) and not reads(instance):
            found.append(instance)

    signal.alarm(SECONDS_MAX)
    try:
        look()
    except BaseException:
        # Recursive schemas are not generated, `false` has no instances, some take too long: guesses are left.
        pass
    finally:
        signal.alarm(0)
    # What the other side is about is rarely met by chance: its own instances, and its values put into the writer's.
    for instance in [] if found else guesses(writer, reader):
        if accepts(instance) and not reads(instance):
            return [instance]
    return found


def guesses(writer, reader):
    """Objects of names that either schema speaks of, with values of all types."""
    names = sorted({name for schema in (writer, reader) for name in names_of(schema)})
    values = [None, True, 0, 1, -1, 3, 7, 12, 1.5, "", "a", "b", "x", "ab", "long enough", "card", "iban", [], ["a", "b"],
              [1, "a"], [1, 1], ["a", 5, None], {}, {"x": 1}, {"x": "s", "y": 2}, {"v": 1}]
    yield from values
    dice = random.Random(7)
    for _ in range(1500 if names else 0):
        chosen = dice.sample(names, dice.randint(0, min(len(names), 4)))
        yield {name: dice.choice(values) for name in chosen}


def names_of(schema):
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key == "properties":
                yield from value
            if key == "patternProperties":
                yield from ("x_a", "x_b")
            yield from names_of(value)
        yield from ("free", "other")
    elif isinstance(schema, list):
        for value in schema:
            yield from names_of(value)


def formats(schema, validator):
    """Formats are demands in the drafts up to 7 and remarks after them."""
    draft = schema.get("$schema", "") if isinstance(schema, dict) else ""
    return None if "2019" in draft or "2020" in draft else validator.FORMAT_CHECKER


def late(*_):
    raise TimeoutError("no more instances in time")


signal.signal(signal.SIGALRM, late)
for line in sys.stdin:
    row = json.loads(line)
    older, newer = json.loads(row["old"]), json.loads(row["new"])
    said = {}
    for direction, writer, reader in (("backward", older, newer), ("forward", newer, older)):
        try:
            found = refused(writer, reader)
            said[direction] = not found
            if found:
                said[direction + "_refuses"] = found[0]
        except BaseException as error:
            said["error"] = type(error).__name__ + ": " + str(error)[:80]
    print(json.dumps(said))
