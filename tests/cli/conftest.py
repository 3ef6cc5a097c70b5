# SPDX-License-Identifier: Apache-2.0
"""A real browser for pages."""

import json
import re
import shutil
import subprocess

import pytest


@pytest.fixture(scope="session")
def chromium():
    found = shutil.which("chromium")
    assert found, "no chromium: scripts/bootstrap test installs it"
    return found


@pytest.fixture
def browse(chromium, tmp_path):
    """browse(page, script) -> what the script, which runs after the page has drawn itself, returns as JSON."""

    def browse(page, script="return {}", width=1200):
        watched = tmp_path / "watched.html"
        # Without a screen there are no frames to wait for.
        watch = """<script>window.errors = []; window.onerror = (text) => { window.errors.push(text); };
            window.requestAnimationFrame = (draw) => setTimeout(draw, 16);</script>"""
        act = """<pre id="result"></pre><script>
            const plots = () => [...document.querySelectorAll(".plot")];
            const frames = async (count) => { for (let i = 0; i < count; ++i) await new Promise((next) => setTimeout(next, 20)); };
            const drawn = (plot) => {
              const canvas = plot.querySelector("canvas");
              const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
              return pixels.filter((value, i) => i % 4 === 3 && value > 0).length;
            };
            addEventListener("load", async () => {
              await frames(4);
              let result;
              try { result = await (async () => { SCRIPT })(); } catch (error) { errors.push(String(error)); }
              document.getElementById("result").textContent = JSON.stringify({ result, errors });
            });</script>""".replace("SCRIPT", script)
        text = page.read_text().replace("<head>", "<head>" + watch, 1)
        watched.write_text(text.replace("</body>", act + "</body>", 1))
        finished = subprocess.run(
            [chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--window-size={width},900",
             f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=20000", "--dump-dom", watched.as_uri()],
            capture_output=True, text=True, timeout=240,
        )
        found = re.search(r'<pre id="result">(.+?)</pre>', finished.stdout, re.S)
        assert found, finished.stderr[-2000:]
        text = found[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
        answer = json.loads(text)
        assert answer["errors"] == []
        return answer["result"]

    return browse
