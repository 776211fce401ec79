"""Asks the official tools what they say of every row of the tables beside this folder, and writes their answers into them.

    python3 record.py TOOLS [avro|json|protobuf …]

TOOLS is a folder with what this script does not bring:

- `classpath`: what `mvn dependency:build-classpath -Dmdep.outputFile=TOOLS/classpath` says of the pom.xml here
- `buf`: the program of the npm package `@bufbuild/buf`
- `subschema/`: a virtual environment with `jsonsubschema`, `protobuf` and `grpcio-tools`
- `hypothesis/`: a virtual environment with `hypothesis-jsonschema`, `hypothesis==6.112.0` and `jsonschema[format]`

A row is {"name", "old", "new"}; this adds "tools": {tool: {"backward": …, "forward": …}} and leaves everything else alone.
What no tool decides, or decides against what its format means, is decided by hand in "answer", with the reason in "because".
"""

import json
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
DIRECTIONS = ("backward", "forward")


def main() -> None:
    tools = pathlib.Path(sys.argv[1]).resolve()
    for name in sys.argv[2:] or ["avro", "json", "protobuf"]:
        path = HERE.parent / f"{name}.jsonl"
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        answers = globals()[f"record_{name}"](tools, rows)
        for index, row in enumerate(rows):
            row["tools"] = {tool: said[index] for tool, said in answers.items()}
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def record_avro(tools, rows):
    return {"avro 1.12.2": java(tools, "avro", rows)}


def record_json(tools, rows):
    return {
        "apicurio 2.4.2": java(tools, "json", rows),
        "jsonsubschema": python(tools / "subschema", "subschema.py", rows),
        "hypothesis-jsonschema": python(tools / "hypothesis", "instances.py", rows),
    }


def record_protobuf(tools, rows):
    return {
        "apicurio 2.4.2": java(tools, "protobuf", rows),
        "buf WIRE": [buf(tools, row) for row in rows],
        "protobuf round trip": python(tools / "subschema", "roundtrip.py", rows),
    }


def lines(rows) -> str:
    return "".join(json.dumps({"old": row["old"], "new": row["new"]}) + "\n" for row in rows)


def java(tools, name, rows):
    with tempfile.TemporaryDirectory() as classes:
        classpath = (tools / "classpath").read_text().strip()
        source = str(HERE / "src/main/java/Record.java")
        subprocess.run(["javac", "-cp", classpath, "-d", classes, source], check=True)
        command = ["java", "-cp", f"{classes}:{classpath}", "Record", name]
        return answers(subprocess.run(command, input=lines(rows), capture_output=True, text=True, check=True), rows)


def python(environment, script, rows):
    command = [str(environment / "bin/python"), str(HERE / script)]
    return answers(subprocess.run(command, input=lines(rows), capture_output=True, text=True, check=True), rows)


def answers(done, rows):
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(said) == len(rows), (len(said), len(rows))
    return said


def buf(tools, row):
    """`buf breaking` looks one way: the new definition against the old. Forward is the other way round."""
    said = {}
    for direction in DIRECTIONS:
        older, newer = (row["old"], row["new"]) if direction == "backward" else (row["new"], row["old"])
        with tempfile.TemporaryDirectory() as folder:
            for side, text in (("older", older), ("newer", newer)):
                (pathlib.Path(folder) / side).mkdir()
                (pathlib.Path(folder) / side / "definition.proto").write_text(text)
            config = '{"version": "v2", "breaking": {"use": ["WIRE"]}}'
            command = [str(tools / "buf"), "breaking", ".", "--against", "../older", "--config", config]
            done = subprocess.run(command, cwd=f"{folder}/newer", capture_output=True, text=True)
            # 100 is what buf exits with when it has something to say.
            if done.returncode not in (0, 100) or "Failure" in done.stderr:
                said["error"] = done.stderr.strip()
            else:
                said[direction] = done.returncode == 0
    return said


main()
