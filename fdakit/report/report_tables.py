"""Reports as tables: the same rows for the terminal and for Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .markdown import markdown_table, markdown_text

COLUMNS = ("R@1", "R@5", "R@10", "R@50", "MdR", "MnR")
RANDOM_WEIGHTS = "the encoder has random weights and nothing was trained: these numbers are what chance gives"
DIRECTIONS = {"t2v": "text to video", "v2t": "video to text"}


def report_rows(report: Mapping[str, Any]) -> list[tuple[str, str, dict[str, float]]]:
    """Return (direction, row label, metrics): the result first, then other masks, then rescored scores."""
    own = report["protocol"]["mask"]
    if report["protocol"]["mask_control"] != "none":
        own = f"{own}, {report['protocol']['mask_control']}"
    rows = []
    for direction in DIRECTIONS:
        rows.append((direction, own, report[direction]))
        rows += [(direction, control_label(name), both[direction]) for name, both in report["controls"].items()]
        rows += [
            (
                direction,
                f"rescored: {name}" + (" (needs all queries)" if both["needs_all_queries"] else ""),
                both[direction],
            )
            for name, both in report["rescored"].items()
            if direction in both
        ]
    return rows


def control_label(name: str) -> str:
    """Return the label of the row of a replaced mask.

    `none` replaces a control that was trained with by the true mask.
    """
    return "same weights, the true mask" if name == "none" else f"same weights, {name} mask"


def report_notes(report: Mapping[str, Any]) -> list[str]:
    """Return the notes to be read with the numbers, one line each; random weights and unreadable videos first."""
    videos, captions, protocol = report["videos"], report["captions"], report["protocol"]
    notes = [RANDOM_WEIGHTS] if report.get("random_weights") else []  # older reports do not have it
    if videos["missing"]:
        lost = "video is absent and was" if videos["missing"] == 1 else "videos are absent and were"
        notes.append(f"{videos['missing']:,} {lost} left out: not the full {protocol['split']} split")
    if videos["damaged"]:
        lost = "video could not be read: its" if videos["damaged"] == 1 else "videos could not be read: their"
        notes.append(f"{videos['damaged']:,} {lost} queries count as misses")
    notes += _repair_notes(videos)
    published = videos.get("published")
    if published is not None and published != videos["counted"] and not videos["missing"]:
        notes.append(
            f"not the published {protocol['split']} split: {videos['counted']:,} videos instead of {published:,}"
        )
    notes += [f"data: {remark}" for remark in videos.get("remarks", ())]
    notes += _training_notes(videos.get("training", {}))
    if report.get("finding"):  # older reports have none
        notes.append(f"training: {report['finding']}")
    notes.append(
        f"{protocol['dataset']} {protocol['split']}: {_count(captions['counted'], 'caption')}, "
        f"{_count(videos['counted'], 'video')}, "
        f"{protocol['captions']}; video to text {protocol['video_to_text']}"
    )
    notes.append(
        f"ties ranked by the {protocol['ties']} rule; tied queries: {report['ties']['t2v']} text to video, "
        f"{report['ties']['v2t']} video to text"
    )
    notes.append(f"checkpoint: {protocol['checkpoint_chosen_by']}")
    if protocol.get("checkpoint_chosen_on") == protocol["split"]:
        notes.append("the checkpoint was chosen on this very split, so these numbers flatter it")
    if captions["cut"]:
        be = "was" if captions["cut"] == 1 else "were"
        notes.append(f"{_count(captions['cut'], 'caption')} {be} longer than the text tower's context and {be} cut")
    pictures = report.get("provenance", {}).get("preprocess")
    if pictures is not None:
        notes.append(_picture_note(pictures))
    best = captions.get("best_t2v_R@1")  # older reports have none
    if best is not None and best < 100:
        notes.append(f"equal captions or videos of the split allow at most {best:.2f} R@1 text to video")
    masks = report["masks"]
    notes.append(
        f"masks: mean coverage {masks['mean_coverage']:.1%}, empty {masks['empty_share']:.1%} of frames, "
        f"full {masks['full_share']:.1%}"
    )
    return notes


def _picture_note(pictures: Mapping[str, Any]) -> str:
    mean, std = (" ".join(f"{value:.4g}" for value in pictures[key]) for key in ("mean", "std"))
    return (
        f"pictures: {pictures['size']} px, {pictures['resize']}, {pictures['interpolation']}, mean {mean}, std {std} "
        f"({pictures['source']})"
    )


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s'[: number != 1]}"


def _training_notes(training: Mapping[str, Any]) -> list[str]:
    """Return notes on videos trained on; older reports, and those of external weights, have none."""
    notes = []
    if training.get("shared"):
        notes.append(f"videos of this split that were trained on: {training['shared']:,}; they flatter its numbers")
    if training.get("missing"):
        of = f"{training['counted'] + training['missing']:,}"
        notes.append(f"trained on {training['counted']:,} of {of} videos; the others are absent and were left out")
    return [*notes, *(f"data: {remark}" for remark in training.get("remarks", ()))]


def _repair_notes(videos: Mapping[str, Any]) -> list[str]:
    notes = []
    if videos.get("repaired"):  # older reports do not have it
        what = "video is" if videos["repaired"] == 1 else "videos are"
        notes.append(f"{videos['repaired']} {what} damaged in part: only frames that decode were used")
    training = videos.get("training")
    if training and (training["skipped"] or training["repaired"]):
        notes.append(
            f"training met damaged videos: {training['skipped']} left out, {training['repaired']} used in part"
        )
    return notes


def cells(metrics: Mapping[str, float]) -> list[str]:
    """Return metrics as text, in the order of `COLUMNS`."""
    return [f"{metrics[name]:.1f}" for name in COLUMNS]


def report_markdown(report: Mapping[str, Any]) -> str:
    """Return the report as a Markdown page."""
    lines = [f"# {markdown_text(report['name'])}", ""]
    notes = [markdown_text(note, code=True) for note in report_notes(report)]
    lines += [f"{notes[0]}.", ""]
    for direction, title in DIRECTIONS.items():
        rows = [[label, *cells(m)] for d, label, m in report_rows(report) if d == direction]
        lines += [f"## {title.capitalize()}", "", *markdown_table(["mask", *COLUMNS], rows)]
        interval = report["ci95"].get(direction, {}).get("R@1")
        if interval:
            lines += ["", f"95% interval of R@1 over queries: {interval[0]:.1f} to {interval[1]:.1f}."]
        lines.append("")
    lines += [f"- {note}" for note in notes]
    return "\n".join(lines) + "\n"
