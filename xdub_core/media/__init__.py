"""Streaming video and audio in and out (PyAV), and timelines."""
