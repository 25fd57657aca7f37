"""Parity with Prompt Switch, over every case that the fixture folder holds (`FDAKIT_FIXTURES` names another).

Nothing is set here that a case does not state: sizes, prompts, frames and words come from its meta.json.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from helpers.clip_batches import clip_batch
from helpers.parity import cases, fixtures
from helpers.shipped import beside
from safetensors.torch import load_file
from torch.nn.functional import normalize

from fdakit.builtin.objectives.symmetric_contrastive import SYMMETRIC_CONTRASTIVE
from fdakit.features import Fused, PairFeatures, TextFeatures, VideoFeatures
from fdakit.model import read_clip_weights
from fdakit.model.hugging_face_names import to_open_clip
from fdakit.plugin import Batch, BuildContext, Preprocess
from fdakit.testing.building import build_part

SWITCH = beside("fdakit-prompt-switch")
from fdakit_prompt_switch._captioner import Captioner  # noqa: E402 - the package lies beside fdakit
from fdakit_prompt_switch._encoder import PromptSwitchEncoder, cube_weights  # noqa: E402
from fdakit_prompt_switch._prompt_cube import CubeSteps  # noqa: E402
from fdakit_prompt_switch.captioning import CaptioningOptions  # noqa: E402
from fdakit_prompt_switch.encoders import PromptOptions  # noqa: E402
from fdakit_prompt_switch.sampling import Segments, SegmentsOptions, clip_frames  # noqa: E402

_MARK = "vision_model.embeddings.class_embedding"
_PROJECTION = re.compile(r"(vision|text)_model\.encoder\.layers\.(\d+)\.self_attn\.([qkv])_proj\.(weight|bias)")


def meta_of(case: Path) -> Any:
    return json.loads((case / "meta.json").read_text("utf-8"))


def cube_cases() -> list[tuple[Path, Path]]:
    """Each case of a model, with each file of weights that it holds."""
    own = ("io.safetensors", "train.safetensors")
    return [
        (case, path)
        for case in cases("promptswitch")
        if "vision" in meta_of(case).get("config", {})
        for path in sorted(case.iterdir())
        if path.is_file() and path.suffix not in (".json", ".md") and path.name not in own
    ]


def frame_files() -> list[Path]:
    found = sorted(fixtures("promptswitch").rglob("*.json"))
    return [path for path in found if "uniform" in json.loads(path.read_text("utf-8"))]


CUBES = cube_cases()
FRAMES = frame_files()


def named(pair: tuple[Path, Path]) -> str:
    return f"{pair[0].name}-{pair[1].stem}"


def test_parity_promptswitch_fixtures_are_there() -> None:
    assert CUBES
    assert FRAMES


class Spelling:
    """A tokeniser of the fixture's start and end: its captions are given as ids."""

    def __init__(self, start: int, end: int, context_length: int) -> None:
        self.marks, self.context_length = (start, end), context_length

    def __call__(self, texts: list[str], context_length: int) -> torch.Tensor:
        ids = torch.zeros(len(texts), context_length, dtype=torch.int64)
        ids[:, 0], ids[:, 1] = self.marks
        return ids


class Model:
    """Encoder and captioner of a case, with the weights of one of its files."""

    def __init__(self, case: Path, weights: Path, *, clips: str = "independent") -> None:
        self.meta = meta_of(case)
        config = self.config = self.meta["config"]
        size = config["vision"]["image_size"]
        self.encoder: Any = PromptSwitchEncoder(
            build_clip(config),
            prompting=PromptOptions(prompts=config["P"], order="consecutive", clips=clips),
            tokenizer=Spelling(
                config["start_token"], config["end_and_pad_token"], config["text"]["max_position_embeddings"]
            ),
            preprocess=Preprocess(size, (0.5,) * 3, (0.5,) * 3),
            shapes=BuildContext(),
        ).eval()
        self.encoder.load(read_clip_weights(weights), where=weights)
        captioner = config["captioner"]
        self.captioner: Any = Captioner(
            CaptioningOptions(
                layers=config["cap_layers"],
                feed_forward=captioner["feed_forward"],
                dropout=captioner["dropout"],
                common_weight=config["frequent_word_weight"],
                weights=weights,
            ),
            width=captioner["width"],
            words=config["text"]["vocab_size"],
            heads=captioner["heads"],
            pretrained=True,
        )
        self.captioner.start_from(self.encoder)
        self.captioner.weigh(set(config["frequent_ids"]))
        self.contrast: Any = build_part(SYMMETRIC_CONTRASTIVE)
        self.contrast.start_from(self.encoder)

    def videos(self, frames: torch.Tensor) -> VideoFeatures:
        found: VideoFeatures = self.encoder.encode_videos(
            clip_batch(frames, torch.ones(frames.shape[:2], dtype=torch.bool)), lambda rgb, stem: Fused()
        )
        return found

    def texts(self, io: dict[str, torch.Tensor]) -> TextFeatures:
        """The captions, continued by the end token: the text tower is causal."""
        ids = io["input_ids"]
        full = ids.new_full((len(ids), self.config["text"]["max_position_embeddings"]), self.captioner.end)
        full[:, : ids.shape[1]] = ids
        mask = torch.zeros(full.shape, dtype=torch.bool)
        mask[:, : ids.shape[1]] = io["attention_mask"].bool()
        found = self.encoder.encode_tokens({"ids": full, "cut": torch.zeros(len(ids), dtype=torch.bool)})
        return replace(found, mask=mask)


def build_clip(config: dict[str, Any]) -> open_clip.CLIP:
    vision, text = config["vision"], config["text"]
    return open_clip.CLIP(
        config["proj"],
        vision_cfg=open_clip.CLIPVisionCfg(
            layers=vision["num_hidden_layers"],
            width=vision["hidden_size"],
            head_width=vision["hidden_size"] // vision["num_attention_heads"],
            mlp_ratio=vision["intermediate_size"] / vision["hidden_size"],
            patch_size=vision["patch_size"],
            image_size=vision["image_size"],
        ),
        text_cfg=open_clip.CLIPTextCfg(
            context_length=text["max_position_embeddings"],
            vocab_size=text["vocab_size"],
            width=text["hidden_size"],
            heads=text["num_attention_heads"],
            layers=text["num_hidden_layers"],
            mlp_ratio=text["intermediate_size"] / text["hidden_size"],
        ),
        quick_gelu=True,
    )


def mean(frames: torch.Tensor) -> torch.Tensor:
    return normalize(frames, dim=-1).mean(1)


def close(model: Model, found: torch.Tensor, wanted: torch.Tensor) -> None:
    rule = model.meta["tolerance"]["outputs"]
    torch.testing.assert_close(found, wanted, atol=rule["atol"], rtol=rule["rtol"])


@pytest.mark.parametrize(("case", "weights"), CUBES, ids=map(named, CUBES))
@pytest.mark.parametrize(
    ("kind", "clips", "video"),
    [
        ("one", "independent", "video_1chunk"),
        ("two", "independent", "video_2chunks"),
        ("wide", "joint", "video_2chunks"),
    ],
)
def test_parity_promptswitch_vectors(case: Path, weights: Path, kind: str, clips: str, video: str) -> None:
    io = load_file(case / "io.safetensors")
    if f"{kind}.frame_features" not in io:
        pytest.skip(f"this case has no {kind}.*")
    model = Model(case, weights, clips=clips)
    with torch.no_grad():
        frames = model.videos(io[video]).vectors
        texts = normalize(model.texts(io).vectors, dim=-1)
    close(model, frames, io[f"{kind}.frame_features"])
    close(model, normalize(frames, dim=-1), io[f"{kind}.frame_features_normalised"])
    close(model, mean(frames), io[f"{kind}.video_vector"])
    close(model, texts @ normalize(mean(frames), dim=-1).T, io[f"{kind}.sims"])
    if f"{kind}.text_features" in io:
        close(model, texts, io[f"{kind}.text_features"])


@pytest.mark.parametrize(("case", "weights"), CUBES, ids=map(named, CUBES))
def test_parity_promptswitch_hidden_states(case: Path, weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    io = load_file(case / "io.safetensors")
    model = Model(case, weights)
    states: list[torch.Tensor] = []
    end = CubeSteps.end

    def ended(self: CubeSteps, tokens: torch.Tensor) -> torch.Tensor:
        states.append(tokens)
        return end(self, tokens)

    monkeypatch.setattr(CubeSteps, "end", ended)
    for block in model.encoder.clip.visual.transformer.resblocks:
        block.ln_1.register_forward_pre_hook(lambda module, given: states.append(given[0]))
    with torch.no_grad():
        model.videos(io["video_1chunk"])
    count = io["video_1chunk"].shape[1]
    for layer, state in enumerate(states):
        close(model, state[:count], io[f"one.hidden.{layer}"])
    close(model, states[-1], io["one.last_hidden_state"])


@pytest.mark.parametrize(("case", "weights"), CUBES, ids=map(named, CUBES))
def test_parity_promptswitch_strided_clips_are_the_released_order_sorted(case: Path, weights: Path) -> None:
    """Frames that the release lists chunk by chunk come in time order here, and form the same clips."""
    io = load_file(case / "io.safetensors")
    model = Model(case, weights)
    size = model.config["P"]
    listed = io["video_2chunks"]
    in_time = listed.unflatten(1, (-1, size)).transpose(1, 2).flatten(1, 2)
    model.encoder._prompting = PromptOptions(prompts=size)
    with torch.no_grad():
        close(model, mean(model.videos(in_time).vectors), io["two.video_vector"])


def trained(case: Path, weights: Path) -> tuple[Model, dict[str, torch.Tensor], Any]:
    io = load_file(case / "io.safetensors")
    model = Model(case, weights)
    frames, texts = model.videos(io["video_1chunk"]), model.texts(io)
    videos = VideoFeatures.of_clips(mean(frames.vectors))

    def match(asked: TextFeatures, shown: VideoFeatures) -> torch.Tensor:
        return normalize(asked.vectors, dim=-1) @ normalize(shown.vector, dim=-1).T

    count = len(texts.vectors)
    names, empty = tuple(map(str, range(count))), torch.zeros(0)
    return model, io, PairFeatures(frames, videos, texts, Batch(names, empty, {}, frames.valid, empty, names), match)


@pytest.mark.parametrize(("case", "weights"), CUBES, ids=map(named, CUBES))
def test_parity_promptswitch_training(case: Path, weights: Path) -> None:
    model, io, pairs = trained(case, weights)
    wanted = load_file(case / "train.safetensors")
    with torch.no_grad():
        frames = pairs.frames
        close(
            model,
            model.captioner.logits(io["input_ids"][:, :-1], frames.vectors, frames.valid),
            wanted["pred_logits"],
        )
    contrast = model.contrast(pairs)["contrastive"]
    caption = model.captioner(pairs)["captioning"] * model.config["caption_loss_mult"]
    rtol = model.meta["tolerance"]["loss"]["rtol"]
    for found, name in ((contrast, "contrastive"), (caption, "caption"), (contrast + caption, "total")):
        torch.testing.assert_close(found, wanted[f"loss_{name}"], rtol=rtol, atol=0)
    (contrast + caption).backward()
    model.encoder.clip.logit_scale.grad = model.contrast.logit_scale.grad
    found_grads = dict(gradients(model, list(model.meta["grad_norms_l2"])))
    rule = model.meta["tolerance"]["gradients"]
    compared = {name.removeprefix("grad."): value for name, value in wanted.items() if name.startswith("grad.")}
    assert compared
    for name, value in compared.items():
        error = float((found_grads[name] - value).abs().max())
        assert error <= rule["rel"] * float(value.abs().max()) + rule["abs"], name
    for name, norm in model.meta["grad_norms_l2"].items():  # those of key biases are noise around 0
        assert float(found_grads[name].norm()) == pytest.approx(norm, rel=rule["rel"], abs=1e-6), name


def gradients(model: Model, names: list[str]) -> Iterator[tuple[str, torch.Tensor]]:
    """The gradients by the reference's names."""
    clip = {name: weight.grad for name, weight in model.encoder.clip.named_parameters()}
    cube = {name: weight.grad for name, weight in model.encoder.cube.named_parameters()}
    decoder = {name: weight.grad for name, weight in model.captioner.named_parameters()}
    renamed = {"caption_prenorm": "norm", "caption_transformer": "decoder", "caption_head": "head"}
    for full in names:
        name = full.removeprefix("clip.")
        first, _, rest = name.partition(".")
        projection = _PROJECTION.fullmatch(name)
        if first in renamed:
            yield full, decoder[f"{renamed[first]}.{rest}"]
        elif projection:
            tower = "visual.transformer" if projection[1] == "vision" else "transformer"
            whole = clip[f"{tower}.resblocks.{projection[2]}.attn.in_proj_{projection[4]}"]
            yield full, whole.chunk(3)["qkv".index(projection[3])]
        else:
            towers, other = to_open_clip({_MARK: torch.zeros(1), name: torch.zeros(1)})
            mine = list(cube_weights(other)) or [
                key for key in towers if name == _MARK or not key.endswith("class_embedding")
            ]
            value = cube[mine[0]] if other else clip[mine[0]]
            yield full, value.T if name.endswith("_projection.weight") else value


@pytest.mark.parametrize(("case", "weights"), CUBES, ids=map(named, CUBES))
def test_parity_promptswitch_no_gradient_of_the_captioner_reaches_the_word_embeddings(
    case: Path, weights: Path
) -> None:
    model, _, pairs = trained(case, weights)
    model.captioner(pairs)["captioning"].backward()
    assert model.encoder.clip.token_embedding.weight.grad is None
    assert model.encoder.clip.positional_embedding.grad is None


def frame_entries(key: str) -> list[Any]:
    return [
        pytest.param(entry, id=f"{path.stem}-{place}")
        for path in FRAMES
        for place, entry in enumerate(json.loads(path.read_text("utf-8")).get(key, []))
    ]


@pytest.mark.parametrize("entry", frame_entries("uniform"))
def test_parity_promptswitch_frames_of_evaluation(entry: dict[str, Any]) -> None:
    asked, segments = entry["num_frames"], entry["num_prompts"]
    listed = clip_frames(entry["frames"], segments=segments, clips=asked // segments).flatten().tolist()
    assert listed == entry["requested"]
    assert [*listed, *listed[-1:] * (asked - len(listed))] == entry["picked"]
    sampler = Segments(SegmentsOptions(segments=segments, eval_clips=asked // segments))
    found = sampler(entry["frames"], np.arange(entry["frames"]) / 25, False, np.random.default_rng(0))
    assert found.tolist() == sorted(set(entry["picked"]))


@pytest.mark.parametrize("entry", frame_entries("random"))
def test_parity_promptswitch_range_of_the_frames_of_training(entry: dict[str, Any]) -> None:
    segments = entry["num_prompts"]
    clips = entry["num_frames"] // segments
    sampler = Segments(SegmentsOptions(segments=segments, train_clips=clips, skip_last=True))
    first, end = sampler.drawn_from(entry["frames"])
    assert np.tile(first, clips).tolist() == entry["first"]
    assert np.tile(end - 1, clips).tolist() == entry["last"]


@pytest.mark.parametrize("entry", frame_entries("random_on_short_videos"))
@pytest.mark.parametrize("skip_last", [False, True])
def test_parity_promptswitch_short_videos_that_fail_there_give_frames_here(
    entry: dict[str, Any], skip_last: bool
) -> None:
    count = entry["frames"]
    sampler = Segments(SegmentsOptions(segments=entry["num_prompts"], skip_last=skip_last))
    found = sampler(count, np.arange(count) / 25, True, np.random.default_rng(0))
    assert len(found) == min(count, entry["num_prompts"])
