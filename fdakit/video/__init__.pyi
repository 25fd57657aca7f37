from .decode import (
    OpenVideo as OpenVideo,
    frame_times as frame_times,
    read_frames as read_frames,
)
from .repeated_frames import (
    step_over_repeats as step_over_repeats,
)
