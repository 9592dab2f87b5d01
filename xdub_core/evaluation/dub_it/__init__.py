"""The measures of JUST-DUB-IT: what its training data is filtered by, and what its tables print."""
