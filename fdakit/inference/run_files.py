"""Names of what lies in a run folder, for all that write it or read it back."""

RECIPE = "recipe.toml"
REPORT = "report.json"
ENVIRONMENT = "environment.json"
LOG = "metrics.jsonl"
VIDEOS = "videos.csv"
SIMILARITY = "similarity.npy"
CHECKPOINTS = "checkpoints"
