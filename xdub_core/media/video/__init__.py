"""Reading videos: frames by number, with bounded memory."""
