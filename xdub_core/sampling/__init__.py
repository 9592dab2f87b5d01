"""Schedules, guidance, border lock, motion frames, the clip plan and the sampling loop."""
