"""From similarities to ranks, metrics, intervals and per-query tables. Needs numpy alone.

The functions live in the modules `ranks`, `metrics`, `significance` and `exports`.
"""
