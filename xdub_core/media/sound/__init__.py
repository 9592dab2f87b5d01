"""Reading sound: decoded, resampled, on one clock."""
