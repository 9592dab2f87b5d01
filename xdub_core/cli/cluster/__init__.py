"""Work on a Ray cluster: shots of a long video, rows of a batch. The results are those of this machine alone."""
