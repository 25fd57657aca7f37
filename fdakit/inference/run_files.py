"""Names of the files in a run folder, for all that write or read them."""

RECIPE = "recipe.toml"
REPORT = "report.json"
ENVIRONMENT = "environment.json"
LOG = "metrics.jsonl"
VIDEOS = "videos.csv"
SIMILARITY = "similarity.npy"
CHECKPOINTS = "checkpoints"
