"""`fdakit metrics`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from fdakit.choices import TieRule
from fdakit.cli.options import json_option
from fdakit.cli.printing import print_json, print_table, say

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fdakit.analysis.external_metrics import Rankings
    from fdakit.analysis.external_scores import ExternalScores
    from fdakit.choices import VideoToTextRule

FILE = click.Path(path_type=Path)


@click.command("metrics")
@click.argument("source", required=False, type=FILE, metavar="[SIMS.npy|RUN]")
@click.option(
    "--truth",
    type=FILE,
    help="Correct column of each row, gains (q, v), or qrels.  [default: the diagonal of a matrix]",
)
@click.option(
    "--ties", type=click.Choice(get_args(TieRule)), help="Tie rule.  [default: expected; of a run folder its own]"
)
@click.option(
    "--video-to-text",
    "mode",
    type=click.Choice(["grouped", "per-caption"]),
    help="Several captions a video: best caption of each group, or single captions.  [default: grouped; of a run "
    "folder its own]",
)
@click.option(
    "--rescore", multiple=True, metavar="NAME", help='dsl, qb-norm, or "NAME KEY=VALUE ...". May be repeated.'
)
@click.option("--bank", type=FILE, help="Similarities of training captions to the same videos, .npy, for qb-norm.")
@click.option("--texts", type=FILE, help="Vectors of captions, .npy; with --videos instead of SIMS, ranked in tiles.")
@click.option("--videos", type=FILE, help="Vectors of videos, .npy.")
@click.option(
    "--matcher",
    metavar="NAME",
    help="Compare --texts with --videos by it, as cosine, or max-sim for (q, l, d) and (v, m, d) padded with NaN; "
    '"NAME KEY=VALUE ...".  [default: inner products]',
)
@click.option("--device", default="auto", show_default=True, help="Where vectors are multiplied: auto, cpu, cuda.")
@click.option(
    "--bootstrap",
    "draws",
    type=click.IntRange(min=0),
    default=1000,
    show_default=True,
    help="Bootstrap draws; 0: no intervals.",
)
@click.option(
    "--compat",
    is_flag=True,
    help="Also as CLIP4Clip counts, which ranks ties wrong; to compare with published tables.",
)
@click.option(
    "--moments",
    type=FILE,
    help="Predicted moments, .jsonl or .json as submitted to QVHighlights; with --annotations instead of SIMS.",
)
@click.option(
    "--annotations",
    type=FILE,
    help="Their true moments, .jsonl as highlight_val_release.jsonl of QVHighlights.",
)
@click.option("--out", type=FILE, help="Folder for metrics.json and the rank of every query.")
@json_option
def command(
    source: Path | None,
    truth: Path | None,
    ties: TieRule | None,
    mode: VideoToTextRule | None,
    rescore: tuple[str, ...],
    bank: Path | None,
    texts: Path | None,
    videos: Path | None,
    matcher: str | None,
    device: str,
    draws: int,
    compat: bool,
    moments: Path | None,
    annotations: Path | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Compute metrics of any similarities, in both directions.

    R@K, ranks and intervals, with ties counted right.
    SIMS.npy holds a row for each caption and a column for each video; without --truth the correct pairs are its
    diagonal. RUN is a TREC run, measured by trec_eval's names too, or a run folder of fdakit. Rescored scores are in
    columns of their own. With --moments it is how well moments are found in videos: R@K and precision by overlap.
    """
    if moments is not None or annotations is not None:
        others = (source, truth, ties, mode, *rescore, bank, texts, videos, matcher, compat or None)
        if moments is None or annotations is None or any(each is not None for each in others):
            raise click.UsageError("give --moments with --annotations, and no similarities or options for them")
        _measure_moments(moments, annotations, draws=draws, out=out, as_json=as_json)
        return
    if (source is None) == (texts is None or videos is None) or (source and (texts or videos)):
        raise click.UsageError("give SIMS.npy, a run, or both --texts and --videos")
    if matcher is not None and texts is None:
        raise click.UsageError("--matcher compares --texts with --videos; similarities are compared already")

    read = partial(_read, source, texts, videos, truth, matcher, device)
    bank_of = partial(_read_bank, bank)
    rules = _rules(source, ties, mode)
    settings = {**rules, "draws": draws, "compat": compat}
    given, found, rankings = _measured(read, bank_of, rescore, device=device, settings=settings)
    found = {"source": str(source or texts), **found}
    if out is not None:
        from fdakit.analysis.external_files import write_scored

        write_scored(out, found, rankings, given, ties=rules["ties"])
    if as_json:
        print_json(found)
    else:
        _print(found)
        if out is not None:
            say(f"written: {out}/metrics.json")


def _measure_moments(moments: Path, annotations: Path, *, draws: int, out: Path | None, as_json: bool) -> None:
    from fdakit.analysis.moment_submission import measure_moments, write_moments
    from fdakit.cli.moment_tables import print_moments

    measured = measure_moments(moments, annotations, draws=draws)
    if out is not None:
        write_moments(out, measured)
    if as_json:
        print_json(measured.found)
    else:
        print_moments(measured.found)
        if out is not None:
            say(f"written: {out}/metrics.json")


def _read(
    source: Path | None, texts: Path | None, videos: Path | None, truth: Path | None, matcher: str | None, device: str
) -> ExternalScores:
    from fdakit.analysis.external_scores import read_matched, read_scores, read_vectors

    if source is not None:
        return read_scores(source, truth)
    assert texts is not None and videos is not None
    if matcher is None:
        return read_vectors(texts, videos, truth)

    from fdakit.catalog import load_catalog
    from fdakit.recipe.labels import labelled_part
    from fdakit.system.devices import choose_device

    part = labelled_part("matcher", matcher, option="--matcher", catalog=load_catalog())
    return read_matched(texts, videos, truth, matcher=part, device=str(choose_device(device)))


def _rules(source: Path | None, ties: TieRule | None, mode: VideoToTextRule | None) -> dict[str, Any]:
    """As asked; else what a run was reported by, or the defaults."""
    from fdakit.analysis.external_scores import rules

    known = (ties, mode) if ties and mode else rules(source)
    return {"ties": ties or known[0], "mode": mode or known[1]}


def _read_bank(path: Path | None) -> NDArray[np.float32] | None:
    from fdakit.analysis.external_scores import read_bank

    return None if path is None else read_bank(path)


def _measured(
    read: Callable[[], ExternalScores],
    bank: Callable[[], NDArray[np.float32] | None],
    rescore: Sequence[str],
    *,
    device: str,
    settings: Mapping[str, Any],
) -> tuple[ExternalScores, dict[str, Any], Rankings]:
    """Rescorers are checked before anything is read."""
    from fdakit.analysis.external_metrics import measure
    from fdakit.catalog import load_catalog
    from fdakit.evaluation.rescoring import rescorers
    from fdakit.system.terminal import ProgressBar

    chosen = rescorers(rescore, catalog=load_catalog())
    bar = ProgressBar()
    try:
        given = read()
        found, rankings = measure(
            given,
            rescoring=chosen,
            bank=bank(),
            **settings,
            device=_device(device, given),
            progress=bar.progressed,
        )
        return given, found, rankings
    finally:
        bar.close()


def _device(name: str, given: ExternalScores) -> str:
    """Return where vectors are multiplied; a matrix is ranked without torch, which is not imported for it."""
    from fdakit.ranking.streamed import Vectors

    if name == "auto" and not isinstance(given, Vectors):
        return "cpu"

    from fdakit.system.devices import choose_device

    return str(choose_device(name))


def _print(found: Mapping[str, Any]) -> None:
    for way, title in (("t2v", "text to video"), ("v2t", "video to text")):
        if way in found:
            _print_direction(found, way, title)
    if "trec" in found:
        rows = [[name, f"{value:.4f}"] for name, value in found["trec"].items()]
        print_table("as trec_eval", ["measure", "all"], rows, numbers=True)
    for name, row in found["rescored"].items():
        if row["needs_all_queries"]:
            say(f"{name} needs all queries at once: not to be had by a search that answers one after another")
    for remark in found["remarks"]:
        say(remark)


def _print_direction(found: Mapping[str, Any], way: str, title: str) -> None:
    """Return a row for each metric; rescored scores in columns of their own."""
    intervals = found["ci95"].get(way)
    others = {f"rescored: {name}": row[way] for name, row in found["rescored"].items() if way in row}
    others |= {f"as {name} counts": both[way] for name, both in found.get("compat", {}).items()}
    columns = ["metric", "as given", *(["95% interval"] if intervals else []), *others]
    rows = []
    for name, value in found[way].items():
        between = [_between(intervals.get(name), name)] if intervals else []
        rows.append([name, _shown(value, name), *between, *(_shown(row.get(name), name) for row in others.values())])
    print_table(f"{title}: {Path(found['source']).name}", columns, rows, numbers=True)
    mode = f"; video to text {found['protocol']['video_to_text']}" if way == "v2t" else ""
    say(
        f"{found['queries'][way]} queries among {found['pool'][way]}; {found['ties'][way]} tied, ranked by the "
        f"{found['protocol']['ties']} rule{mode}\n"
    )


def _shown(value: float | None, name: str) -> str:
    if value is None:
        return ""
    return f"{value:.4f}" if name in ("MRR", "nDCG") else f"{value:.2f}"


def _between(interval: list[float] | None, name: str) -> str:
    return "" if interval is None else f"{_shown(interval[0], name)} to {_shown(interval[1], name)}"
