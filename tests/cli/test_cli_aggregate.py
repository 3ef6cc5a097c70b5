# SPDX-License-Identifier: Apache-2.0
"""deeptm aggregate: what a layout is worth, and its picture."""

import json
import pathlib
import xml.etree.ElementTree

import pytest

GRAPHS = pathlib.Path(__file__).resolve().parents[2] / "graphs"
MOBILENET = GRAPHS / "mobilenet.graph.json.zst"


def report(deeptm, *arguments):
    process = deeptm("aggregate", *arguments, "--json")
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)


def test_text_says_what_json_does(deeptm):
    process = deeptm("aggregate", MOBILENET, "--batch", 128)
    assert process.returncode == 0 and process.stderr == ""
    values = report(deeptm, MOBILENET, "--batch", 128)
    assert f"micro tensors: {values['micro_tensors']}, at most {values['micro_pages_apart']} at once" in process.stdout
    assert f"{100 * values['fragmentation']:.1f} % more" in process.stdout
    assert f"{100 * values['reserved_share']:.3f} % of the peak" in process.stdout
    assert values["pages_saved"] == values["micro_pages_ordinary"] - values["micro_pages"]
    assert 0 < values["reserved_share"] < 0.1


def test_parts_can_be_left_out(deeptm):
    without = report(deeptm, MOBILENET, "--without", "batching,adjoining")
    assert without["pages_saved"] == 0 and without["reserved_bytes"] == 0
    assert report(deeptm, MOBILENET, "--without", "batching")["reserved_bytes"] == 0
    assert report(deeptm, MOBILENET, "--without", "adjoining")["reserved_bytes"] > 0


@pytest.mark.parametrize("model", ("alexnet", "vgg19", "mobilenet", "inception_v4", "resnet152"))
def test_picture_is_small_and_the_same_again(deeptm, tmp_path, model):
    for name in ("a.svg", "b.svg"):
        process = deeptm("aggregate", GRAPHS / f"{model}.graph.json.zst", "--batch", 128, "--picture", name)
        assert process.returncode == 0 and f"picture: {name}" in process.stdout
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert (tmp_path / "a.svg").stat().st_size < 1_000_000
    picture = xml.etree.ElementTree.parse(tmp_path / "a.svg").getroot()
    texts = [text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert texts[0] == f"{model}.graph.json.zst, batch 128"
    assert {"micro tensors", "weights", "others", "kernel, in execution order", "address in the arena"} <= set(texts)
