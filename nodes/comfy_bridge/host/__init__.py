"""ComfyUI around a node: its progress bar, its log, its cache, its folders and what workflows may read of them."""
