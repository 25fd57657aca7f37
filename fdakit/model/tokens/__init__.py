"""Captions to token ids, apart from any model: loader workers do it."""
