"""From similarities to ranks, metrics, intervals and per-query tables. Needs numpy; `streamed` needs torch.

The functions are in the modules `ranks`, `streamed`, `metrics`, `relevance`, `moments`, `significance`, `paired`,
`trec`, `trec_measures` and `exports`.
"""
