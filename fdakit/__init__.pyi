from . import (
    dataset_files as dataset_files,
    mask_ops as mask_ops,
    model as model,
    plugin as plugin,
    testing as testing,
    video as video,
)
from .errors import (
    CheckpointError as CheckpointError,
    DatasetError as DatasetError,
    FdakitError as FdakitError,
    PluginError as PluginError,
    RecipeError as RecipeError,
    ScoreError as ScoreError,
    VideoError as VideoError,
)
from .inference.create_model import (
    create_model_and_transforms as create_model_and_transforms,
)
from .inference.load import (
    load as load,
)
from .inference.loaded_retriever import (
    LoadedRetriever as LoadedRetriever,
)
from .mask_inspection.viewer import (
    MaskView as MaskView,
    show_masks as show_masks,
)
from .search.found_moments import (
    FoundMoment as FoundMoment,
)
from .search.opened_index import (
    Index as Index,
    open_index as open_index,
)
from .version import __version__ as __version__
