"""Reports as tables: the same rows for the terminal and for Markdown."""

from __future__ import annotations

from collections.abc import Mapping

from fdakit.plugin.contracts import Direction

from .evaluation_report import (
    COLUMNS,
    Metrics,
    PreprocessFacts,
    Report,
    TrainingVideos,
    VideoCounts,
    in_direction,
)
from .markdown import markdown_table, markdown_text

RANDOM_WEIGHTS = "the encoder has random weights and nothing was trained: these numbers are what chance gives"
DIRECTIONS: Mapping[Direction, str] = {"t2v": "text to video", "v2t": "video to text"}


def report_rows(report: Report) -> list[tuple[Direction, str, Metrics]]:
    """Return (direction, row label, metrics): the result first, then other masks, then rescored scores."""
    own = report.protocol.mask
    if report.protocol.mask_control != "none":
        own = f"{own}, {report.protocol.mask_control}"
    rows: list[tuple[Direction, str, Metrics]] = []
    for direction in DIRECTIONS:
        rows.append((direction, own, in_direction(report, direction)))
        rows += [(direction, control_label(name), in_direction(b, direction)) for name, b in report.controls.items()]
        rows += [
            (
                direction,
                f"rescored: {name}" + (" (needs all queries)" if both.needs_all_queries else ""),
                in_direction(both, direction),
            )
            for name, both in report.rescored.items()
            if both.states(direction)
        ]
    return rows


def control_label(name: str) -> str:
    """Return the label of the row of a replaced mask.

    `none` replaces a control that was trained with by the true mask.
    """
    return "same weights, the true mask" if name == "none" else f"same weights, {name} mask"


def report_notes(report: Report) -> list[str]:
    """Return the notes to be read with the numbers, one line each; random weights and unreadable videos first."""
    return [
        *([RANDOM_WEIGHTS] if report.random_weights else []),
        *_video_notes(report),
        *(f"data: {remark}" for remark in report.videos.remarks),
        *_training_notes(report.videos.training),
        *([f"training: {report.finding}"] if report.finding else []),
        *([f"training {report.stopped_early}"] if report.stopped_early else []),
        *_metric_notes(report),
        *_protocol_notes(report),
        *_caption_notes(report),
        f"masks: mean coverage {report.masks.mean_coverage:.1%}, empty {report.masks.empty_share:.1%} of frames, "
        f"full {report.masks.full_share:.1%}",
    ]


def _video_notes(report: Report) -> list[str]:
    videos, split, notes = report.videos, report.protocol.split, []
    if videos.missing:
        lost = "video is absent and was" if videos.missing == 1 else "videos are absent and were"
        notes.append(f"{videos.missing:,} {lost} left out: not the full {split} split")
    if videos.damaged:
        lost = "video could not be read: its" if videos.damaged == 1 else "videos could not be read: their"
        notes.append(f"{videos.damaged:,} {lost} queries count as misses")
    notes += _repair_notes(videos)
    if videos.published not in (None, videos.counted) and not videos.missing:
        notes.append(f"not the published {split} split: {videos.counted:,} videos instead of {videos.published:,}")
    return notes


def _metric_notes(report: Report) -> list[str]:
    """Return a line for each further metric, both directions."""
    return [
        f"{name}: "
        + "; ".join(
            f"{DIRECTIONS[direction]} "
            + ", ".join(f"{key} {value:.4g}" for key, value in in_direction(both, direction).items())
            for direction in DIRECTIONS
        )
        for name, both in report.metrics.items()
    ]


def _protocol_notes(report: Report) -> list[str]:
    protocol = report.protocol
    chosen_here = protocol.checkpoint_chosen_on == protocol.split
    return [
        f"{protocol.dataset} {protocol.split}: {_count(report.captions.counted, 'caption')}, "
        f"{_count(report.videos.counted, 'video')}, {protocol.captions}; video to text {protocol.video_to_text}",
        f"ties ranked by the {protocol.ties} rule; tied queries: {report.ties.t2v} text to video, "
        f"{report.ties.v2t} video to text",
        *([f"texts and videos compared by {protocol.matcher}"] if protocol.matcher else []),
        *(f"put before each {role}: {text!r}" for role, text in protocol.instructions.items() if text),
        f"checkpoint: {protocol.checkpoint_chosen_by}",
        *(["the checkpoint was chosen on this very split, so these numbers flatter it"] if chosen_here else []),
    ]


def _caption_notes(report: Report) -> list[str]:
    cut, best, notes = report.captions.cut, report.captions.best_t2v, []
    if cut:
        be = "was" if cut == 1 else "were"
        notes.append(f"{_count(cut, 'caption')} {be} longer than the text tower's context and {be} cut")
    if report.provenance.preprocess is not None:
        notes.append(_picture_note(report.provenance.preprocess))
    if best is not None and best < 100:
        notes.append(f"equal captions or videos of the split allow at most {best:.2f} R@1 text to video")
    return notes


def _picture_note(pictures: PreprocessFacts) -> str:
    mean, std = (" ".join(f"{value:.4g}" for value in values) for values in (pictures.mean, pictures.std))
    return (
        f"pictures: {pictures.size} px, {pictures.resize}, {pictures.interpolation}, mean {mean}, std {std} "
        f"({pictures.source})"
    )


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s'[: number != 1]}"


def _training_notes(training: TrainingVideos) -> list[str]:
    """Return notes on videos trained on; older reports, and those of external weights, have none."""
    notes = []
    if training.shared:
        notes.append(f"videos of this split that were trained on: {training.shared:,}; they flatter its numbers")
    if training.missing:
        of = f"{training.counted + training.missing:,}"
        notes.append(f"trained on {training.counted:,} of {of} videos; the others are absent and were left out")
    return [*notes, *(f"data: {remark}" for remark in training.remarks)]


def _repair_notes(videos: VideoCounts) -> list[str]:
    training, notes = videos.training, []
    if videos.repaired:
        what = "video is" if videos.repaired == 1 else "videos are"
        notes.append(f"{videos.repaired} {what} damaged in part: only frames that decode were used")
    if training.skipped or training.repaired:
        notes.append(f"training met damaged videos: {training.skipped} left out, {training.repaired} used in part")
    return notes


def cells(metrics: Metrics) -> list[str]:
    """Return metrics as text, in the order of `COLUMNS`."""
    return [f"{metrics[name]:.1f}" for name in COLUMNS]


def report_markdown(report: Report) -> str:
    """Return the report as a Markdown page."""
    lines = [f"# {markdown_text(report.name)}", ""]
    notes = [markdown_text(note, code=True) for note in report_notes(report)]
    lines += [f"{notes[0]}.", ""]
    for direction, title in DIRECTIONS.items():
        rows = [[label, *cells(m)] for d, label, m in report_rows(report) if d == direction]
        lines += [f"## {title.capitalize()}", "", *markdown_table(["mask", *COLUMNS], rows)]
        interval = in_direction(report.ci95, direction).get("R@1")
        if interval:
            lines += ["", f"95% interval of R@1 over queries: {interval[0]:.1f} to {interval[1]:.1f}."]
        lines.append("")
    lines += [f"- {note}" for note in notes]
    return "\n".join(lines) + "\n"
