"""Opening files, and the streams that they hold."""
