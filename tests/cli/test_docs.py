# SPDX-License-Identifier: Apache-2.0
"""What the documentation says exists: files, headings, commands and their options."""

import functools
import pathlib
import re
import shlex
import subprocess

import pytest

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
PAGES = sorted([*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.S | re.M)


def anchors(page):
    """Of its headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text()), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    missing = []
    for link in LINK.findall(FENCE.sub("", page.read_text())):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            missing.append(link)
    assert not missing


def commands(page):
    """Lines of a page that call `deeptm`, in blocks and in the text, up to what a shell would take for something else."""
    text = page.read_text()
    lines = re.findall(r"^ {4}(deeptm .+)$", text, re.M) + re.findall(r"`(deeptm [^`]+)`", text)
    for block in FENCE.findall(text):
        lines += re.findall(r"^(deeptm .+)$", block, re.M)
    for line in lines:
        line = re.split(r" -- | {3,}|\s[>|&;#\\]|…|\.\.\.", line)[0]
        yield shlex.split(line.replace("[", " ").replace("]", " "))


@functools.cache
def options_of(program, command):
    done = subprocess.run([program, command, "--help"], text=True, capture_output=True)
    return set(re.findall(r"(?<![\w-])(--?[a-z][\w-]*)", done.stdout)) if done.returncode == 0 else None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_options_exist(page, program):
    unknown = []
    for words in commands(page):
        if len(words) < 2 or not re.fullmatch(r"[a-z]+", words[1]):
            continue
        known = options_of(program, words[1])
        if known is None:
            unknown.append(words[1])
            continue
        unknown += [f"{words[1]} {word}" for word in words[2:] if re.match(r"--?[a-z]", word) and word.split("=")[0] not in known]
    assert not unknown


def test_the_site_is_built_and_its_links_lead_somewhere():
    done = subprocess.run([CHECKOUT / "scripts/docs"], text=True, capture_output=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (CHECKOUT / "build/docs/index.html").is_file() and (CHECKOUT / "build/docs/api/index.html").is_file()
