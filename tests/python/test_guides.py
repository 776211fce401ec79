"""The guides' commands run as they stand: every `sh` block of docs/guide/*.md, in order, in one shell on a fresh folder.

A `text` block behind a `sh` block is what that block prints: its lines must come, in order, where `…` is any text. Blocks with
another language (`sql`, `sh on AWS`) are not run. Ports are replaced by free ones, and `millrace up … &` waits until it is ready.
"""

import pathlib
import re
import shutil
import signal
import subprocess
import sys

import pytest
from conftest import BINARY, ROOT, clean_environment, free_port

GUIDES = [path for path in sorted((ROOT / "docs/guide").glob("*.md")) if path.name != "README.md"]
BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.M | re.S)
MARK = "@@ block "
MILLRACE = """#!/bin/sh
if [ "$1" = up ]; then shift; set -- up --port {port} --search-port {search} "$@"; fi
exec {binary} "$@"
"""


def steps(guide):
    """Commands of a guide, each with the lines that they print."""
    found = []
    for language, text in BLOCK.findall(guide):
        if language == "sh":
            found.append((text, []))
        elif language == "text" and found:
            found[-1][1].extend(line for line in text.splitlines() if line.strip())
    return found


def script(guide, port, search):
    ready = f"for n in $(seq 300); do curl -sf -o /dev/null 127.0.0.1:{port}/_millrace/health && break; sleep 0.1; done\n"
    lines = ["set -euo pipefail", "trap 'kill $(jobs -p) 2>/dev/null' EXIT"]
    for number, (text, _) in enumerate(steps(guide)):
        text = re.sub(r"^(millrace up[^\n]*) &$", rf"\1 >server.log 2>&1 &\n{ready}", text, flags=re.M)
        text = text.replace("127.0.0.1:4566", f"127.0.0.1:{port}").replace("127.0.0.1:9200", f"127.0.0.1:{search}")
        lines += [f"printf '\\n{MARK}{number}\\n'", text]
    return "\n".join(lines)


def holds(printed, expected):
    """Whether the expected lines come in order; gives the first that does not."""
    rest = iter(printed.splitlines())
    for line in expected:
        pattern = ".*".join(re.escape(part) for part in re.split("…", " ".join(line.split())))
        if not any(re.search(pattern, " ".join(printed.split())) for printed in rest):
            return line
    return None


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.stem)
@pytest.mark.timeout(180)
def test_guide(path, tmp_path):
    guide = path.read_text()
    assert steps(guide), f"{path.name} has no commands"
    port, search = free_port(), free_port()
    wrapper = tmp_path / "bin/millrace"
    wrapper.parent.mkdir()
    wrapper.write_text(MILLRACE.format(port=port, search=search, binary=BINARY))
    wrapper.chmod(0o755)
    work = tmp_path / "work"
    work.mkdir()
    shutil.copytree(ROOT / "examples", work / "examples")
    environment = clean_environment() | {
        "PATH": f"{wrapper.parent}:{pathlib.Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(tmp_path), "AWS_PAGER": "", "AWS_EC2_METADATA_DISABLED": "true",
    }
    process = subprocess.Popen(
        ["bash", "-c", script(guide, port, search)], cwd=work, env=environment, text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=150)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=20)
        pytest.fail(f"{path.name} did not end:\n{output}")
    said = re.split(rf"^{MARK}\d+$\n?", output, flags=re.M)[1:]
    server = (work / "server.log").read_text() if (work / "server.log").exists() else ""
    assert process.returncode == 0, f"the last block of {path.name} failed:\n{said[-1:]}\n{output}\n{server}"
    for (text, expected), printed in zip(steps(guide), said, strict=True):
        missing = holds(printed, expected)
        assert missing is None, f"{path.name}: after\n{text}\nthere is no line like\n  {missing}\nin\n{printed}"


def test_a_line_that_is_not_printed_is_missed():
    assert holds("a 1\nb  2\nc 3", ["a …", "b 2", "c …"]) is None
    assert holds("b 2\na 1", ["a 1", "b 2"]) == "b 2"
