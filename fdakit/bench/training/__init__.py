"""What the training benchmark is made of: operations counted, and batches of noise."""
