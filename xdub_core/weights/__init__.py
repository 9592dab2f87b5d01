"""Files of weights: what they are, what is in them, and how they get into a network. Nothing here runs a file's code.

kinds.py         what every file that users mix up looks like, by its first bytes or its tensors' names: one table
tensor_file.py   `open_tensors`: the tensors of any format by name, read one at a time; `save_tensors`
torch_file.py    `load_torch_file`: what a PyTorch file holds, without running what its pickle asks for
identify.py      `describe_file`: what a file is, for a message or for `info`
stated.py        `stated`: what a file of ours says about itself in its metadata, or one error
strict.py        `load_strictly`: exactly a network's tensors, or one error that says what is wrong and what to do
"""
