"""Pictures: colours, pixel formats, orientation."""
