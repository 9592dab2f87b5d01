"""Between ComfyUI and the engine. The files here are steps: each does the work of the node of the same name.

    types.py         what flows between the nodes
    clip_sampler.py  a clip's sampling by core, which the steps `sampler` and `dub_video` share
    model/           X-Dub and its VAEs as core's MODEL and VAE, and back
    media/           core's VIDEO, IMAGE and AUDIO as the engine's frames and recordings, and back
    host/            ComfyUI around a node: its progress bar, log, cache and folders

A step imports these and other steps; model/ and media/ import host/, and nobody imports upwards.
"""
