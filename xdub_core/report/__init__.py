"""What became of a dub: collected while it is made, as data, as JSON and as a page that needs nothing beside it."""
