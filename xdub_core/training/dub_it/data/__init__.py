"""Training data by the paper's method (Sec. 3.2, A.1): clips that switch language, and both halves said in the other's.

What makes pictures and sound is a ComfyUI that runs, by its HTTP API; nothing here imports it.
"""
