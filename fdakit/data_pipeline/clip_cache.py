"""Cached clips: read from the frame store, or made and stored.

Frames and masks are stored separately, so that another mask starts from the stored frames. What is stored depends
on what is sampled at random:

- nothing: the transformed frames and their mask;
- the transform alone (flip, crop): the frames as the reader gave them. Transform and mask follow, anew each epoch.
  A crop is cut from a frame of the video's own size, so such frames are large; smaller ones would give other
  pixels than a run without the store;
- the choice of frames: nothing, as no epoch uses the same frames again;
- anything, with `frame_store.draws = n`: n transformed clips with their masks, used in turn by epoch.

A mask on the device is made of each batch anew: of its clips the frames are stored, with the neighbours and the luma
that it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdakit.values import Clip, Needs, VideoRef

from .alpha_levels import Alpha
from .cache_keys import CacheKeys
from .frame_store import Arrays, FrameStore, MaskedClip, estimated_bytes, file_fingerprint, record_key
from .stored_frames import PLANES, stored_arrays, stored_clip, stored_frames, stored_luma, stored_neighbours

_WORTH_A_WORD = 10**9  # bytes; less is cached without an announcement
_PLAIN = Needs()


@dataclass(frozen=True)
class ClipSteps:
    """The steps that make a clip: read `(video, epoch)`, view `(clip, epoch)`, mask `(clip)`.

    `mask` is None where the mask is made on the device, of what it `needs`. `repaired` ids are not cached. `drawn` is
    whether the masks so far may depend on seed or id; `files` is the version of the files that a mask reads for a
    video, "" for none.
    """

    read: Callable[[VideoRef, int], Clip]
    view: Callable[[Clip, int], Clip]
    mask: Callable[[Clip], NDArray[np.float32]] | None
    needs: Needs
    repaired: Container[str]
    drawn: Callable[[], bool]
    files: Callable[[VideoRef], str] = lambda video: ""

    def fresh(self, video: VideoRef, epoch: int) -> MaskedClip:
        """Return the clip from its file. Raises what the steps raise."""
        return self.shown(self.read(video, epoch), epoch)

    def shown(self, clip: Clip, epoch: int) -> MaskedClip:
        """Transform a clip as it was read, and return it with its mask."""
        return self.masked(self.view(clip, epoch))

    def masked(self, clip: Clip) -> MaskedClip:
        """Return a transformed clip with its mask, or with what the device makes it of."""
        if self.mask is None:
            return MaskedClip(clip.frames, None, clip.times, clip.neighbours, clip.luma)
        return MaskedClip(clip.frames, self.mask(clip), clip.times)


@dataclass(frozen=True)
class Forecast:
    """What to announce before the store is filled, and what need not be reported again later."""

    says: tuple[str, ...] = ()
    settles: tuple[str, ...] = ()


@dataclass(frozen=True)
class ClipCache:
    """Transformed clips with their masks, read from a store or made and stored.

    `before_view` caches frames as they were read; `draws` is how many random versions of a clip are cached.
    """

    making: ClipSteps
    facts: CacheKeys
    store: FrameStore
    before_view: bool = False
    draws: int = 0

    def clip(self, video: VideoRef, epoch: int) -> MaskedClip:
        """Return the clip of that epoch. Raises what making it raises."""
        key = self._key(video, epoch)
        if key is None:
            return self.making.fresh(video, epoch)
        if self.before_view:
            return self.making.shown(self._read(video, epoch, key), epoch)
        found = self.store.get(key)
        if found is None:
            return self._first(video, epoch, key)
        if self.making.mask is None:
            beside = stored_neighbours(found), stored_luma(found)
            return MaskedClip(stored_frames(found), None, found["times"], *beside)
        alpha = self._kept_mask(video, key)
        if alpha is None:
            if self.making.needs != _PLAIN:
                return self._first(video, epoch, key)
            alpha = self.making.mask(self._clip(video, found))
            self._keep_mask(video, key, alpha)
        return MaskedClip(stored_frames(found), alpha, found["times"])

    def _key(self, video: VideoRef, epoch: int) -> bytes | None:
        """Return the key of the frames; None if there is no file: reading it will raise a better error."""
        try:
            file = file_fingerprint(video)
        except OSError:
            return None
        drawn = [self.facts.seed, video.id, epoch] if self.draws else None
        needs = self.making.needs
        beside: list[Any] = [sorted(needs.neighbours), needs.luma] if self._beside else []
        beside += ["placed"] if beside and needs.placement else []
        if self.before_view:
            return record_key(file, self.facts.frames, None, drawn, *beside)
        of_clip = (file, self.facts.frames, ["viewed", self.facts.drawn_view], drawn, *beside)
        key, former = record_key(*of_clip, PLANES), None
        if key not in self.store:
            former = record_key(*of_clip)  # of frames that were stored as they are decoded, not in planes
        return former if former is not None and former in self.store else key

    @property
    def _beside(self) -> bool:
        """Whether neighbours and luma are stored with the frames, as the mask is made of them later."""
        return (self.before_view or self.making.mask is None) and self.making.needs != _PLAIN

    def _mask_key(self, video: VideoRef, key: bytes, *, drawn: bool) -> bytes:
        """Return the key of the mask. Masks may be random by seed and id: `Clip.rng`."""
        files = self.making.files(video)
        about = ([self.facts.seed, video.id] if drawn else []) + ([files] if files else [])
        return record_key(key.hex(), self.facts.mask, *about)

    def _keep_mask(self, video: VideoRef, key: bytes, alpha: Alpha) -> None:
        self.store.put_mask(self._mask_key(video, key, drawn=self.making.drawn()), alpha)

    def _kept_mask(self, video: VideoRef, key: bytes) -> Alpha | None:
        """Return the cached mask of those frames, random or not: that is only known once a mask is made."""
        keys = [self._mask_key(video, key, drawn=drawn) for drawn in (False, True)]
        if not any(each in self.store for each in keys):
            self.store.refresh()
        found = (self.store.get_mask(each) for each in keys if each in self.store)
        return next((alpha for alpha in found if alpha is not None), None)

    def _first(self, video: VideoRef, epoch: int, key: bytes) -> MaskedClip:
        """Make the clip and store it."""
        viewed = self.making.view(self.making.read(video, epoch), epoch)
        made = self.making.masked(viewed)
        if self._keep(viewed, key) and made.alpha is not None:
            self._keep_mask(video, key, made.alpha)
        return made

    def _keep(self, clip: Clip, key: bytes) -> bool:
        """Store a clip's frames, unless its file is damaged, as the store has no mark for that."""
        if clip.id in self.making.repaired:
            return False
        return self.store.put(key, stored_arrays(clip, planes=not self.before_view, beside=self._beside))

    def _read(self, video: VideoRef, epoch: int, key: bytes) -> Clip:
        found = self.store.get(key)
        if found is not None:
            return self._clip(video, found)
        clip = self.making.read(video, epoch)
        self._keep(clip, key)
        return clip

    def _clip(self, video: VideoRef, found: Arrays) -> Clip:
        return stored_clip(found, video_id=video.id, seed=self.facts.seed)

    def forecast(self, videos: Sequence[VideoRef], epoch: int, *, frames: int, size: int) -> Forecast | None:
        """Return what the clips of these videos will take on disk, at `frames` of `size` pixels a side.

        None while it is unknown: the size of frames as they are read is known once the first of them are stored.
        """
        keys = [key for video in videos if (key := self._key(video, epoch)) is not None]
        self.store.refresh()
        each = estimated_bytes(frames, size) * (1 + len(self.making.needs.neighbours) * self._beside)
        if self.before_view:
            kept = (self.store.get(key) for key in keys if key in self.store)
            first = next((found for found in kept if found is not None), None)
            if first is None:
                return None
            each = sum(array.nbytes for array in first.values())
        missing = sum(key not in self.store for key in keys)
        times = f", {self.draws} draws each" if self.draws else ""
        said = f"for {missing:,} clips at {frames} frames{times}"
        return self._forecast(said, missing * each * max(1, self.draws))

    def _forecast(self, said: str, total: int) -> Forecast:
        text = f"frame store: about {format_bytes(total)} {said}"
        if total > self.store.room:
            lacking = f"and room for {format_bytes(self.store.room)} in {self.store.folder}"
            remedy = "raise frame_store.limit_mb, or make room with `fdakit cache clear`"
            says = f"{text}, {lacking}; the rest is decoded again each time; {remedy}"
            return Forecast((says,), settles=(self.store.full_note(),))
        return Forecast((f"{text}, kept in {self.store.folder}",) if total >= _WORTH_A_WORD else ())


def format_bytes(count: int) -> str:
    """Return bytes in readable form: 8.0 GB, 59.0 MB, 1.2 kB, 80 bytes."""
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count} bytes"
