from .alpha_path import (
    AlphaPath as AlphaPath,
)
from .clip_encoder import (
    ClipEncoder as ClipEncoder,
)
from .preprocess_record import (
    recorded_preprocess as recorded_preprocess,
)
from .tokens.byte_pairs import (
    portable_tokenizer as portable_tokenizer,
)
from .weight_files import (
    read_weights as read_weights,
)
from .weight_loading import (
    read_clip_weights as read_clip_weights,
)
