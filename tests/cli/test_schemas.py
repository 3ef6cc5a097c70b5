# SPDX-License-Identifier: Apache-2.0
"""The schemas of docs/schemas say of a file what the command does, and name every field that its page does."""

import copy
import json
import pathlib
import re

import jsonschema
import pytest
import zstandard

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
SCHEMAS = CHECKOUT / "docs/schemas"
PAGES = {"step-graph": "graph-format", "plan": "plan-format", "machine": "machine-format"}


def schema(name):
    read = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(read)
    return jsonschema.Draft202012Validator(read)


def read(path):
    data = path.read_bytes()
    return json.loads(zstandard.ZstdDecompressor().decompressobj().decompress(data) if path.suffix == ".zst" else data)


@pytest.mark.parametrize("path", sorted(CHECKOUT.glob("graphs/*.zst")), ids=lambda path: path.name)
def test_recorded_graphs_are_valid(path):
    schema("step-graph").validate(read(path))


@pytest.mark.parametrize("path", sorted(CHECKOUT.glob("machines/*.json")), ids=lambda path: path.name)
def test_built_in_machines_are_valid(path):
    schema("machine").validate(read(path))


@pytest.fixture
def files(deeptm, tmp_path):
    """A graph, a machine and a plan (with recomputes and addresses), and how the command checks each of them."""
    graph, machine, plan = tmp_path / "a.graph.json", tmp_path / "m.json", tmp_path / "p.json"
    assert deeptm("synthesize", "residual", "--tensors", "300", "--batch", "8", "-o", graph).returncode == 0
    machine.write_bytes((CHECKOUT / "machines/optane.json").read_bytes())
    made = deeptm("plan", graph, "--machine", machine, "--fast", "20%", "-o", plan)
    assert made.returncode == 0, made.stderr
    return {"step-graph": (graph, ("show", graph)), "machine": (machine, ("plan", graph, "--machine", machine, "--policy", "lru", "-o", "x.json")),
            "plan": (plan, ("verify", graph, plan, "--machine", machine))}


def objects(value, path=()):
    """Every object in a document, one of each kind: by the names on the way to it."""
    found = {}
    if isinstance(value, dict):
        found[tuple(step for step in path if isinstance(step, str))] = path
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        for kind, at in objects(part, (*path, key)).items():
            found.setdefault(kind, at)
    return found


def at(document, path):
    for step in path:
        document = document[step]
    return document


OPEN = {("kernels", "attributes"), ("compute", "flops_per_second_by_type")}  # any field may be in them


@pytest.mark.parametrize("name", PAGES)
def test_command_and_schema_agree(name, files, deeptm):
    """A field too many in each kind of object, each field missing in turn, and the file as it is."""
    path, check = files[name]
    validator, document = schema(name), read(path)
    disagree = []

    def compare(what, changed):
        path.write_text(json.dumps(changed))
        accepted, valid = deeptm(*check).returncode == 0, validator.is_valid(changed)
        if accepted != valid:
            disagree.append((what, "accepted" if accepted else "refused", "valid" if valid else "invalid"))

    compare("as it is", document)
    assert validator.is_valid(document)
    for kind, place in objects(document).items():
        if kind in OPEN:
            continue
        changed = copy.deepcopy(document)
        at(changed, place)["no_such_field"] = 1
        compare((*kind, "no_such_field"), changed)
        for field in at(document, place):
            changed = copy.deepcopy(document)
            del at(changed, place)[field]
            # What is left out may contradict the rest, which a schema does not see: only what it requires has to be refused.
            if not validator.is_valid(changed):
                compare((*kind, field), changed)
    assert not disagree


@pytest.mark.parametrize("name", PAGES)
def test_page_names_every_field(name):
    page = (CHECKOUT / f"docs/{PAGES[name]}.md").read_text()
    missing = []

    def walk(part):
        if isinstance(part, dict):
            missing.extend(field for field in part.get("properties", {}) if not re.search(rf'[`".]{field}\b', page))
            for value in part.values():
                walk(value)
        elif isinstance(part, list):
            for value in part:
                walk(value)

    walk(schema(name).schema)
    assert not missing
