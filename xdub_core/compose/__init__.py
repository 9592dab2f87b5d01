"""Colour matching, blending and paste-back."""
