"""The recipe tables that belong to fdakit itself: `[view] [loader] [frame_store] [train] [eval]`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, WithJsonSchema, field_validator, model_validator

from fdakit.plugin.component import AtMost, IdleIf, Options, WorksIf

from .choices import ROLES, CaptionsRule, Control, Damage, Interpolation, Resize, Role, TieRule, VideoToTextRule
from .errors import nearest

Share = Annotated[float, Field(ge=0, le=1)]
Rates = Annotated[
    Mapping[Role, Annotated[float, Field(gt=0)]],
    WithJsonSchema(  # pydantic's own names no role, and an editor could not complete them
        {
            "type": "object",
            "properties": {role: {"type": "number", "exclusiveMinimum": 0} for role in ROLES},
            "additionalProperties": False,
        }
    ),
]


JITTERED = ("brightness", "contrast", "saturation", "hue")
"""The keys of `[view]` that change colours."""


class ViewSettings(Options):
    """Geometry and colours of a frame. What is left out is the encoder's own preprocessing."""

    size: int | None = Field(None, ge=8, le=4096, description="pixels a side; left out: the encoder's own")
    resize: Resize | None = Field(
        None, description="shortest side then centre crop, longest side then padding, or aspect lost"
    )
    interpolation: Interpolation | None = Field(None, description="left out: the encoder's own")
    scaler: Literal["swscale", "pillow"] = Field(
        "swscale",
        description="swscale resizes while it converts colours, which is faster; pillow gives the pixels of "
        "torchvision's preprocessing exactly",
    )
    pixel_aspect: bool = Field(
        False, description="stretch frames with non-square pixels; false: never, as in published pipelines"
    )
    mean: tuple[float, float, float] | None = Field(None, description="RGB mean; left out: the encoder's own")
    std: tuple[float, float, float] | None = Field(
        None, description="RGB standard deviation; left out: the encoder's own"
    )
    flip: Share = Field(0.0, description="training: probability that a whole clip is mirrored")
    crop_scale: tuple[Share, Share] | None = Field(
        None, description="training: random crop covering between these shares of the area, one draw a clip"
    )
    crop_aspect: Annotated[tuple[float, float], IdleIf(crop_scale=None)] = Field(
        (3 / 4, 4 / 3), description="training: range of width over height of a random crop"
    )
    brightness: float = Field(
        0.0,
        ge=0,
        le=10,
        description="training: colour jitter, a factor between 1 - this and 1 + this, one draw a clip",
    )
    contrast: float = Field(0.0, ge=0, le=10, description="training: likewise a factor on the contrast")
    saturation: float = Field(0.0, ge=0, le=10, description="training: likewise a factor on the saturation")
    hue: float = Field(0.0, ge=0, le=0.5, description="training: largest turn of the hue, in circles")

    @model_validator(mode="after")
    def _check(self) -> ViewSettings:
        if self.crop_scale is not None and not 0 < self.crop_scale[0] <= self.crop_scale[1]:
            raise ValueError("crop_scale must rise from above 0, as [0.5, 1.0]")
        if not 0 < self.crop_aspect[0] <= self.crop_aspect[1]:
            raise ValueError("crop_aspect must rise from above 0, as [0.75, 1.333]")
        if self.std is not None and min(self.std) <= 0:
            raise ValueError("std must be above 0")
        return self


class LoaderSettings(Options):
    """Reading clips ahead of the model."""

    workers: int | None = Field(
        None,
        ge=0,
        le=1024,
        description="reading processes; left out: none on a CPU, with a GPU one for each core but "
        "one, up to 16; 0 reads in-process",
    )
    prefetch: Annotated[int, IdleIf(workers=0)] = Field(
        2, ge=1, le=1024, description="batches that workers keep ready"
    )
    damage: Damage = Field(
        "fail",
        description="a damaged training video: fail ends the run, skip leaves it out, repair uses the frames that "
        "decode, in evaluation too",
    )
    ledger: Path | None = Field(
        None, description="what `fdakit data check` wrote; left out: ledger.sqlite in the cache folder"
    )
    time_limit: Annotated[float, IdleIf(workers=0)] = Field(
        120.0,
        ge=0,
        le=1_000_000,
        description="seconds a worker may take for a clip before its video counts as unreadable; 0: no limit; "
        "reading in-process (workers = 0) cannot be stopped and has no limit",
    )


class FrameStoreSettings(Options):
    """Keeping decoded frames and masks on disk, so that a video is decoded once for all epochs and runs."""

    enabled: bool = Field(
        True, description="cache what is not random in each epoch: frames, and masks if the view is not random"
    )
    limit_mb: Annotated[int, IdleIf(enabled=False)] = Field(
        20_000,
        ge=0,
        le=1_000_000_000,
        description="MB of the whole folder, and never more than half of the free disk; 0 caches nothing",
    )
    draws: Annotated[int, IdleIf(enabled=False), IdleIf(limit_mb=0)] = Field(
        0,
        ge=0,
        le=1_000_000,
        description="training with random frames or views: draws of a clip that are cached and used in turn; 0: a "
        "new draw each epoch",
    )
    folder: Annotated[Path | None, IdleIf(enabled=False), IdleIf(limit_mb=0)] = Field(
        None, description="left out: frames in the cache folder"
    )


class TrainSettings(Options):
    """Training. `epochs = 0` evaluates only."""

    epochs: int = Field(5, ge=0, le=1_000_000, description="passes over all training pairs; 0 evaluates only")
    max_steps: int | None = Field(
        None, ge=1, le=1_000_000_000, description="stop after this many steps; left out: no limit"
    )
    captions: CaptionsRule = Field(
        "all", description="the pairs of an epoch: all captions, or one of each video, drawn anew each epoch"
    )
    batch_size: int = Field(32, ge=1, le=1_000_000, description="pairs a step, at most; `[batcher]` says which")
    micro_batch: Annotated[int | None, AtMost("batch_size")] = Field(
        None,
        ge=1,
        le=1_000_000,
        description="pairs that the encoders hold at once: gradients stay those of the whole batch, for one more "
        "forward pass; left out: all",
    )
    learning_rate: float = Field(1e-6, gt=0, description="peak learning rate")
    warmup: Share = Field(0.1, description="share of the steps over which the rate rises from 0")
    schedule: Literal["cosine", "constant", "poly", "tanh", "step", "constant-cooldown", "bert-cosine"] = Field(
        "cosine",
        description="what follows the warm-up; poly, tanh and step are timm's; constant-cooldown falls at the end; "
        "bert-cosine is BertAdam's, whose first step has a rate of 0 and whose cosine counts the warm-up's steps too",
    )
    schedule_power: Annotated[float, WorksIf("schedule", "poly", "constant-cooldown")] = Field(
        1.0, gt=0, le=1_000, description="poly, constant-cooldown: power of what is left of the fall to 0; 1: a line"
    )
    schedule_share: Annotated[Share, WorksIf("schedule", "step", "constant-cooldown")] = Field(
        0.2, description="step: share of the steps between two drops; constant-cooldown: of those over which it falls"
    )
    schedule_drop: Annotated[float, WorksIf("schedule", "step")] = Field(
        0.1, gt=0, lt=1, description="step: factor of each drop"
    )
    ema: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="decay of an exponential moving average of the weights, as 0.999, which is then validated, saved "
        "and reported; 0: none",
    )
    clip_norm: float = Field(1.0, ge=0, description="largest gradient norm; 0: no clipping")
    freeze: tuple[Role, ...] = Field((), description="roles whose weights stay as loaded")
    freeze_rule: Literal["none", "clip4clip"] = Field(
        "none", description="clip4clip: embeddings, stem and first norm of both encoders stay as loaded"
    )
    freeze_blocks: int = Field(
        0, ge=0, le=1_000, description="this many blocks of each encoder, from the bottom, stay as loaded"
    )
    rates: Rates = Field({}, description="learning rate of a role, instead of learning_rate")
    layer_decay: float = Field(
        1.0, gt=0, le=1, description="factor on the rate for each layer further down in an encoder; 1: one rate"
    )
    decay_rule: Literal["matrices", "clip4clip"] = Field(
        "matrices", description="what decays: matrices and kernels; clip4clip: all but biases, norms and scales too"
    )
    no_decay: tuple[str, ...] = Field(
        (), description="patterns over weight names that never decay, besides those that decay_rule leaves out"
    )
    grad_checkpointing: bool = Field(
        False,
        description="compute the activations of the encoder's blocks again in the backward pass, instead of keeping "
        "them: the same gradients, with much less memory, for one more forward pass",
    )
    compile: Literal["none", "blocks"] = Field(
        "none",
        description="blocks: torch.compile of each block of the encoder, and of what makes float of pixels and "
        "alpha, while it trains, never in evaluation",
    )
    shard: Literal["none", "fsdp2"] = Field(
        "none",
        description="fsdp2: weights of the encoder's blocks, their gradients and optimiser state are divided over "
        "the processes of torchrun, for encoders that do not fit a GPU whole; one process has nothing to divide",
    )
    validate_every: int = Field(1, ge=1, le=1_000_000, description="epochs between validations")
    patience: Annotated[int, AtMost("epochs")] = Field(
        0,
        ge=0,
        le=1_000_000,
        description="validations in a row without a better R@1 after which training ends; 0: never",
    )
    checkpoint_minutes: float = Field(
        10.0,
        ge=0,
        le=1_000_000,
        description="minutes after which a checkpoint is written inside an epoch; one is written after every epoch "
        "too; 0: only then",
    )
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, mps")
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto",
        description="auto: bf16 autocast over fp32 weights on a GPU that has it, fp32 elsewhere; fp16: with a loss "
        "scale, for GPUs without bf16",
    )
    tf32: bool = Field(
        False,
        description="NVIDIA GPUs may compute products of float32 with TF32, 10 bits of mantissa, in training and in "
        "evaluation; false: in full, convolutions too, whatever torch's defaults are",
    )

    @field_validator("rates", mode="before")
    @classmethod
    def _check_rates(cls, rates: Any, info: ValidationInfo) -> Any:
        for role in rates if isinstance(rates, Mapping) else ():
            if role not in ROLES:
                raise ValueError(f"no role {role!r}; {nearest(str(role), ROLES)}")
            if role in info.data.get("freeze", ()):
                raise ValueError(f"{role!r} is in train.freeze and has no rate; take it out of one of the two")
            if role == "stem" and info.data.get("freeze_rule") == "clip4clip":
                raise ValueError("'stem' stays as loaded under train.freeze_rule = \"clip4clip\"; give it no rate")
        return rates

    @field_validator("shard")
    @classmethod
    def _check_shard(cls, shard: str, info: ValidationInfo) -> str:
        if shard != "none" and info.data.get("compile", "none") != "none":
            raise ValueError('weights of compiled blocks cannot be divided; set train.compile = "none"')
        return shard

    @field_validator("precision")
    @classmethod
    def _check_precision(cls, precision: str, info: ValidationInfo) -> str:
        if precision == "fp16" and info.data.get("shard", "none") != "none":
            raise ValueError('divided weights (train.shard) have no loss scale; set "bf16" or "fp32"')
        return precision


class EvalSettings(Options):
    """Evaluation, the same in a run and in `fdakit eval`."""

    split: str = Field("test", description="the split that is reported")
    batch_size: int = Field(32, ge=1, le=1_000_000, description="videos encoded together")
    text_batch_size: int = Field(256, ge=1, le=1_000_000, description="captions encoded together")
    ties: TieRule = Field("expected", description="how equal scores are ranked; expected: mean over random order")
    video_to_text: VideoToTextRule = Field(
        "grouped", description="several captions a video: best caption of a group, or single captions"
    )
    controls: tuple[Control, ...] = Field((), description="the same weights scored again under these masks")
    similarity_mb: int = Field(
        4_000,
        ge=0,
        le=1_000_000_000,
        description="MB of similarities that are kept whole and written; more than that, and they are ranked tile by "
        "tile from the vectors, which are written instead",
    )
    bank: Annotated[int, IdleIf(rescoring=())] = Field(
        20_000,
        ge=0,
        le=1_000_000_000,
        description="training captions given to a rescorer that needs a bank, drawn by the seed; 0: all of them",
    )
    bootstrap: int = Field(1000, ge=0, le=1_000_000, description="draws for the 95% intervals; 0: none")
