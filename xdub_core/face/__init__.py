"""Detectors, tracking, box smoothing and cropping."""
