"""The options that masks share: thresholds, cleaning and fallback."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from fdakit.plugin.component import IdleIf, Options, WorksIf

from .backend import Backend, Connectivity


class ThresholdOptions(Options):
    """The level above which a pixel counts as changed."""

    threshold: float = Field(25, ge=0, le=255, description="grey levels by which a pixel must change, strictly more")
    threshold_rule: Literal["fixed", "mad", "otsu"] = Field(
        "fixed",
        description="fixed: that one; mad: median + mad_factor x 1.4826 x MAD of the frame's differences; otsu: "
        "Otsu's split of them; neither under `threshold`",
    )
    mad_factor: Annotated[float, WorksIf("threshold_rule", "mad")] = Field(
        3.0, ge=0, le=100, description="k of the rule mad"
    )


class PostprocessOptions(Options):
    """Cleaning, hard or soft alpha, fallback. Radii and areas are given at 224 px and scale with the frame."""

    closing: int = Field(2, ge=0, le=64, description="radius of the closing in px at 224; 0: none")
    opening: int = Field(1, ge=0, le=64, description="radius of the opening in px at 224; 0: none")
    element: Annotated[Literal["disk", "square"], IdleIf(closing=0, opening=0, dilation=0)] = Field(
        "disk", description="structuring element of closing, opening and dilation"
    )
    min_area: int = Field(64, ge=0, le=224 * 224, description="smallest component kept, in px at 224")
    connectivity: Annotated[Connectivity, IdleIf(min_area=0, fill_holes=False)] = Field(
        8, description="neighbours of a pixel that belong to its component: 4 or 8"
    )
    fill_holes: bool = Field(False, description="mark what a component encloses")
    dilation: int = Field(0, ge=0, le=64, description="radius by which the cleaned mask grows, in px at 224; 0: none")
    alpha: Literal["hard", "soft"] = Field(
        "hard",
        description="hard: 0 or 1; soft: in the cleaned mask, the difference over twice the threshold, at most 1",
    )
    fallback: Literal["none", "whole-frame"] = Field(
        "none", description="what a mask outside the coverage limits or across a cut becomes; none: it stays as it is"
    )
    min_coverage: Annotated[float, IdleIf(fallback="none")] = Field(
        0.002, ge=0, le=1, description="fallback below this share of the frame"
    )
    max_coverage: Annotated[float, IdleIf(fallback="none")] = Field(
        0.9, ge=0, le=1, description="fallback above this share of the frame"
    )
    cut_rule: Annotated[Literal["relative", "level"], IdleIf(fallback="none"), IdleIf(cut=0)] = Field(
        "relative",
        description="relative: another scene, by grey, colours and the clip's own change; level: a mean difference, "
        "less its median, above `cut`; left out: level if `cut` is set",
    )
    cut: Annotated[float, IdleIf(fallback="none")] = Field(
        45, ge=0, le=255, description="grey levels of the cut rule level; 0: no fallback at cuts by either rule"
    )
    backend: Backend = Field(
        "auto",
        description="library that computes it, all equal to the bit: scikit-image, numpy, opencv, or torch on the "
        "model's device; auto: opencv if it is installed, else numpy",
    )

    @model_validator(mode="after")
    def _choose_cut_rule(self) -> Self:
        # Recipes from before there were two rules set `cut` alone.
        if "cut" in self.model_fields_set and "cut_rule" not in self.model_fields_set and self.cut > 0:
            self.__dict__["cut_rule"] = "level"  # frozen for everybody else
        return self
