"""Behind `fdakit ablate`: systems beside each other on data sets, with what they cost."""
