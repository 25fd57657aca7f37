"""One picture and its mask: open_clip's pixels, one geometry for both, and masks of every usual type."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import torch
from helpers.parity import fixtures
from numpy.typing import NDArray
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from safetensors.numpy import load_file

from fdakit.plugin.contracts import Preprocess
from fdakit.settings import ViewSettings
from fdakit.video.image_transform import ImageTransform

MEAN, STD = (0.48, 0.46, 0.41), (0.27, 0.26, 0.28)
DRAWING = ViewSettings(crop_scale=(0.3, 0.6), flip=0.5)


def transform(
    *, training: bool = False, size: int = 32, resize: str = "shortest", settings: ViewSettings | None = None
) -> ImageTransform:
    preprocess = Preprocess(size, MEAN, STD, resize=resize)
    return ImageTransform(settings or ViewSettings(), preprocess, training=training)


def picture(height: int = 48, width: int = 64) -> NDArray[np.uint8]:
    return np.random.default_rng(3).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("resize", ["shortest", "squash", "longest"])
def test_pictures_are_open_clips_to_the_last_bit(resize: str) -> None:
    config: dict[str, Any] = {"size": 32, "mean": MEAN, "std": STD, "resize_mode": resize}
    reference = image_transform_v2(PreprocessCfg(**config), is_train=False)
    found = transform(resize=resize)(picture())
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, reference(Image.fromarray(picture())), atol=1e-6, rtol=0)
    assert torch.equal(found, transform(resize=resize)(Image.fromarray(picture())))


def test_any_mode_of_pil_becomes_rgb() -> None:
    grey = Image.fromarray(picture()[..., 0])
    found = transform()(grey)
    assert torch.equal(found, transform()(np.repeat(picture()[..., :1], 3, axis=2)))
    assert transform()(Image.fromarray(picture()).convert("RGBA")).shape == (3, 32, 32)


MASK = np.zeros((48, 64), bool)
MASK[12:36, 20:44] = True


@pytest.mark.parametrize(
    "mask",
    [
        MASK,
        MASK.astype(np.uint8),
        MASK.astype(np.uint8) * 255,
        MASK.astype(np.float32),
        MASK.astype(np.float64),
        Image.fromarray(MASK.astype(np.uint8) * 255),
        Image.fromarray(MASK),
    ],
    ids=["bool", "0 and 1", "0 and 255", "float32", "float64", "PIL L", "PIL 1"],
)
def test_a_mask_of_any_usual_type_means_the_same(mask: Any) -> None:
    image, alpha = transform()(picture(), mask)
    assert torch.equal(image, transform()(picture()))
    assert (alpha.shape, alpha.dtype) == ((1, 32, 32), torch.float32)
    assert (float(alpha.min()), float(alpha.max())) == (0, 1)
    assert float(alpha[0, 16, 16]) == 1
    assert torch.equal(alpha, transform()(picture(), MASK)[1])


def test_levels_between_keep_their_value_to_a_step_of_255() -> None:
    for level in (0.0, 0.25, 0.5, 1.0):
        _, alpha = transform()(picture(), np.full((48, 64), level))
        assert abs(float(alpha.unique()) - level) <= 0.5 / 255 + 1e-7
    _, alpha = transform()(picture(), np.full((48, 64), 51, np.uint8))
    assert float(alpha.unique()) == pytest.approx(0.2)


def test_bars_beside_a_whole_picture_are_background() -> None:
    _, alpha = transform(resize="longest")(picture(), np.ones((48, 64), bool))
    assert alpha[0, :4].max() == 0
    assert alpha[0, 4:28].min() == 1


def test_crop_and_flip_are_the_same_for_picture_and_mask() -> None:
    """A picture that is white where the mask is shows where its mask must lie, whatever was drawn."""
    shown = np.repeat(MASK[..., None], 3, axis=2).astype(np.uint8) * np.uint8(255)
    drawing = transform(training=True, settings=DRAWING)
    torch.manual_seed(4)
    seen = [drawing(shown, MASK) for _ in range(40)]
    for image, alpha in seen:
        white = image.mul(torch.tensor(STD).view(3, 1, 1)).add(torch.tensor(MEAN).view(3, 1, 1))[0]
        assert float((white - alpha[0]).abs().max()) < 0.2  # bicubic against bilinear, at the edges alone
        assert float((white - alpha[0]).abs().mean()) < 0.02
    places = {tuple(alpha.flatten().tolist()) for _, alpha in seen}
    assert len(places) > 20
    flipped = [alpha for _, alpha in seen if not torch.equal(alpha, alpha.flip(2))]
    assert flipped


def test_draws_come_from_torchs_generator_and_evaluation_draws_nothing() -> None:
    drawing, still = (transform(training=training, settings=DRAWING) for training in (True, False))
    torch.manual_seed(1)
    first, second = drawing(picture()), drawing(picture())
    assert not torch.equal(first, second)
    torch.manual_seed(1)
    assert torch.equal(drawing(picture()), first)
    state = torch.get_rng_state()
    assert torch.equal(still(picture()), still(picture()))
    assert torch.equal(torch.get_rng_state(), state)


def test_colours_change_with_the_draw_and_masks_do_not() -> None:
    jittered = DRAWING.model_copy(update={"brightness": 0.4, "hue": 0.2})
    for seed in range(3):
        torch.manual_seed(seed)
        image, alpha = transform(training=True, settings=DRAWING)(picture(), MASK)
        torch.manual_seed(seed)
        other, same = transform(training=True, settings=jittered)(picture(), MASK)
        assert torch.equal(alpha, same)
        assert not torch.equal(image, other)
    plain, still = (transform(settings=settings)(picture()) for settings in (DRAWING, jittered))
    assert torch.equal(plain, still)


def test_a_transform_can_be_sent_to_a_loader_worker() -> None:
    drawing = transform(training=True, settings=DRAWING)
    sent = pickle.loads(pickle.dumps(drawing))
    torch.manual_seed(1)
    first = drawing(picture())
    torch.manual_seed(1)
    assert torch.equal(sent(picture()), first)
    assert "training=True" in repr(sent)


@pytest.mark.parametrize(
    ("image", "error", "words"),
    [
        ("a.jpg", TypeError, "image: found str; give a PIL image"),
        (picture().astype(np.float32), ValueError, r"image: found float32 \(48, 64, 3\)"),
        (picture()[..., 0], ValueError, r"image: found uint8 \(48, 64\)"),
        (picture().transpose(2, 0, 1), ValueError, r"image: found uint8 \(3, 48, 64\)"),
        (picture()[:0], ValueError, r"image: found uint8 \(0, 64, 3\)"),
    ],
)
def test_what_is_no_picture_is_told(image: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        transform()(image)


@pytest.mark.parametrize(
    ("mask", "error", "words"),
    [
        (MASK.T, ValueError, r"mask: found bool \(64, 48\); give one of the image's size, \(48, 64\)"),
        (MASK[None], ValueError, r"mask: found bool \(1, 48, 64\)"),
        (MASK.astype(np.int64), TypeError, "mask: found int64"),
        (MASK * 1.923, ValueError, r"values from 0\.0 to 1\.923; give \[0, 1\], as the model normalises it itself"),
        (np.full((48, 64), np.nan), ValueError, "values from nan to nan"),
        (-MASK.astype(np.float32), ValueError, r"values from -1\.0"),
    ],
)
def test_what_is_no_mask_of_the_picture_is_told(mask: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        transform()(picture(), mask)


def test_parity_preprocess_picture_and_mask_together() -> None:
    """The reference's evaluation code on a square picture; it resizes floats, so a grey level may differ."""
    case = next(iter(sorted(fixtures("preprocess").glob("*/preprocess.safetensors"))))
    tensors = load_file(case)
    if "joint.image" not in tensors:
        pytest.skip("this folder has no joint case")
    image, mask = tensors["joint.image"], tensors["joint.mask"]
    side = min(mask.shape)
    top, left = ((length // 2 - side // 2) for length in mask.shape)
    cut = (slice(top, top + side), slice(left, left + side))
    size = tensors["joint.crop.alpha.antialias"].shape[-1]
    _, alpha = transform(size=size)(image[cut], mask[cut].astype(np.uint8))
    level = (alpha.numpy() - 0.5) / 0.26
    np.testing.assert_allclose(level, tensors["joint.crop.alpha.antialias"], atol=1 / 255 / 0.26)
