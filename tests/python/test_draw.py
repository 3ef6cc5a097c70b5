# SPDX-License-Identifier: Apache-2.0
"""Pictures of learning curves; those of figures are drawn in tests/cli/test_cli_reproduce.py."""

import pathlib
import subprocess
import sys

DRAW = pathlib.Path(__file__).parents[2] / "python" / "deeptm" / "draw.py"
HEAD = "episode,greedy,step_rewards,reward,loss,performance,best_performance\n"


def draw(path):
    return subprocess.run([sys.executable, DRAW, path], capture_output=True, text=True, check=False)


def test_a_learning_curve_is_drawn_alike_each_time(tmp_path):
    curve = tmp_path / "curve.csv"
    curve.write_text(HEAD + "0,0.1,3,20,0.5,0.4,0.5\n1,0.2,4,25,0.3,0.6,0.6\n")
    pictures = []
    for _ in range(2):
        assert draw(curve).returncode == 0
        pictures.append([curve.with_suffix(end).read_bytes() for end in (".svg", ".png")])
    assert pictures[0] == pictures[1]
    assert b"of the best so far" in pictures[0][0]


def test_what_is_no_learning_curve_is_refused_in_a_line(tmp_path):
    other = tmp_path / "other.csv"
    other.write_text("model,ours\nvgg19,0.5\n")
    for path, said in ((other, "not a learning curve"), (tmp_path / "none", "no such folder or file")):
        refused = draw(path)
        assert refused.returncode == 1
        assert said in refused.stderr
        assert len(refused.stderr.splitlines()) == 1
    assert not other.with_suffix(".svg").exists()
