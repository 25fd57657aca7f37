from .backend import MaskBackend as MaskBackend
from .backends import (
    get_backend as get_backend,
    require_opencv as require_opencv,
)
from .black_bars import (
    inside_bars as inside_bars,
)
from .clipwise import (
    ClipwiseMask as ClipwiseMask,
)
from .compensation import (
    BrightnessRule as BrightnessRule,
    CameraRule as CameraRule,
    compensated_difference as compensated_difference,
)
from .cut_detection import (
    by_scenes as by_scenes,
    joined_cuts as joined_cuts,
    neighbour_cuts as neighbour_cuts,
    outside_longest_scene as outside_longest_scene,
    sampled_cuts as sampled_cuts,
)
from .differencing import (
    GreyRule as GreyRule,
    difference as difference,
    grey_layers as grey_layers,
    histogram_cuts as histogram_cuts,
    soft_strength as soft_strength,
    thresholds as thresholds,
)
from .fallback import (
    replace_masks as replace_masks,
)
from .motion_residual import (
    block_texture as block_texture,
    render_blocks as render_blocks,
    residual_motion as residual_motion,
)
from .noise_thresholds import (
    box_average as box_average,
    level_cuts as level_cuts,
    level_thresholds as level_thresholds,
)
from .options import (
    PostprocessOptions as PostprocessOptions,
    ThresholdOptions as ThresholdOptions,
)
from .pipeline import (
    ChangeOptions as ChangeOptions,
    threshold_changes as threshold_changes,
)
from .postprocess import (
    Masks as Masks,
    apply_fallback as apply_fallback,
    apply_morphology as apply_morphology,
    postprocess_masks as postprocess_masks,
)
