"""What a dub has done so far, kept in a folder, so that the same dub goes on where it was ended."""
