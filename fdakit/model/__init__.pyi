from .alpha_path import (
    AlphaPath as AlphaPath,
)
from .clip_encoder import (
    ClipEncoder as ClipEncoder,
)
from .open_clip_models.building import (
    build_open_clip as build_open_clip,
)
from .open_clip_models.options import (
    OpenClipOptions as OpenClipOptions,
    TinyOptions as TinyOptions,
)
from .open_clip_models.tiny import (
    build_tiny as build_tiny,
)
from .preprocess_record import (
    recorded_preprocess as recorded_preprocess,
)
from .tokens.byte_pairs import (
    portable_tokenizer as portable_tokenizer,
)
from .towers.tower_inputs import (
    TokenSteps as TokenSteps,
)
from .weight_files import (
    load_strictly as load_strictly,
    read_weights as read_weights,
)
from .weight_formats import (
    ClipWeights as ClipWeights,
)
from .weight_loading import (
    read_clip_weights as read_clip_weights,
)
