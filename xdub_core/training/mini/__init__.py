"""The mini's recipe: its small networks, and the paper's stages at its size."""
