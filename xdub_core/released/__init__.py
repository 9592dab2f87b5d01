"""The released model's files: which, where, download, loading, memory, and the empty prompt."""
