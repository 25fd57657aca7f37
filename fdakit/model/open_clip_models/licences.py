"""Whose terms hold for the weights of `open-clip`: one line for those that are not known to be permissive.

The list was written from general knowledge, not card by card: what the model card says holds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_PERMISSIVE = (  # taken to be under MIT or Apache-2.0
    r"laion/.+",
    r"timm/.+\.(openai|yfcc15m|cc12m|laion400m_\w+|laion2b_\w+|merged2b_\w+)",  # OpenAI's, LAION's, EVA
    r"timm/ViT-.+-SigLIP.*",
    r"timm/PE-Core-.+",
    r"UCSC-VLAA/.+",  # CLIPA
    r"jienengchen/ViTamin-.+",
)
_REPOSITORY = re.compile(r"[^/]+/[^/]+")


def licence_notice(tag: Mapping[str, Any], repo: str | None) -> str:
    """Return where the licence of a tag's or a repository's weights is told; "" where it is taken to be permissive.

    `tag` is what open_clip knows of a tag, empty where weights come from the hub's `repo`.
    """
    named = _REPOSITORY.match(str(tag.get("hf_hub") or repo or ""))
    if named is None:
        return "licence of these weights: not known to fdakit; ask where they come from" if tag else ""
    if any(re.fullmatch(pattern, named[0]) for pattern in _PERMISSIVE):
        return ""
    return f"licence of these weights: see hf.co/{named[0]}"
