"""Recordings, Whisper and wav2vec2 features, and audio windows."""
