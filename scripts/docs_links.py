# SPDX-License-Identifier: Apache-2.0
"""For MkDocs: links from pages to files of the checkout that are no pages become the files' names."""

import pathlib
import re

CHECKOUT = pathlib.Path(__file__).resolve().parents[1]
OUTSIDE = re.compile(r"\[([^\]]*)\]\(\.\./([^)#]+)[^)]*\)")


def on_page_markdown(markdown, **_):
    def name(match):
        text, path = match.groups()
        if not (CHECKOUT / path).exists():
            return match.group()  # which the check of links then refuses
        return f"{text} (`{path}`)" if text != path else f"`{path}`"

    return OUTSIDE.sub(name, markdown)
