# SPDX-License-Identifier: Apache-2.0
"""Tutorial and how-tos as a reader follows them: every shell line of every `sh` block, every `python` block."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
PAGES = ("tutorial", "howto", "cli")
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```", re.S | re.M)
FILE_NAME = re.compile(r"# (\S+\.py)\n")


@pytest.fixture(scope="module")
def reader(program, tmp_path_factory):
    """reader(command): what a shell in the reader's folder does, with the commands that the pages ask for in PATH."""
    folder = tmp_path_factory.mktemp("reader")
    commands = folder / "bin"
    commands.mkdir()
    (commands / "deeptm").symlink_to(program)
    environment = os.environ | {"PATH": f"{commands}:{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}", "XDG_STATE_HOME": str(folder / "state"), "DEEPTM_HOME": str(CHECKOUT),
                                "PYTHONPATH": str(CHECKOUT / "python"), "TF_CPP_MIN_LOG_LEVEL": "2"}

    def run(command):
        done = subprocess.run(["bash", "-ec", command], cwd=folder, env=environment, text=True, capture_output=True, timeout=600)
        assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done

    run.folder = folder
    return run


@pytest.mark.parametrize("page", PAGES)
def test_snippets_work(page, reader):
    blocks = BLOCK.findall((CHECKOUT / f"docs/{page}.md").read_text())
    assert blocks
    for language, text in blocks:
        if language == "sh":
            for line in text.splitlines():
                reader(line)
            continue
        named = FILE_NAME.match(text)
        file = reader.folder / (named.group(1) if named else "snippet.py")
        file.write_text(text)
        if not named:
            reader(f"python {file.name}")
