from .annotations import (
    read_caption_map as read_caption_map,
    read_id_list as read_id_list,
    read_json as read_json,
    require_captions as require_captions,
)
from .counts import (
    count_remarks as count_remarks,
    id_hash as id_hash,
)
from .layout import (
    find_source as find_source,
    locate_source as locate_source,
    require_root as require_root,
)
from .moments import (
    MomentCheck as MomentCheck,
    MomentQuery as MomentQuery,
    moment_split as moment_split,
    parse_windows as parse_windows,
    read_moment_queries as read_moment_queries,
)
from .paragraphs import (
    join_paragraphs as join_paragraphs,
    name_ids as name_ids,
)
from .table_rows import (
    TableRow as TableRow,
    missing_column_message as missing_column_message,
    read_table_rows as read_table_rows,
    row_error as row_error,
)
from .video_files import (
    VIDEO_ENDINGS as VIDEO_ENDINGS,
    find_videos as find_videos,
)
