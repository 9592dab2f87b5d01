"""Rendered talking heads and their speech: data for training, tests and benchmarks."""
