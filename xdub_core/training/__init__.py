"""Stage I (mask-based generator), pair construction, stage II (mask-free editor, lip and texture experts)."""
