"""xdub-mini: a small X-Dub that is trained from nothing on rendered heads, and everything it needs."""
