"""The one family of errors that a user can cause.

Every message is one line: what is wrong, with what, and what to do. The command line prints it and exits with
code 2; a node shows it in ComfyUI's error dialog. Anything else that is raised is a bug.
"""


class XDubError(Exception):
    """Base of all errors that a user can cause."""


class MediaError(XDubError):
    """A video or recording cannot be read, or an output cannot be written."""


class FaceError(XDubError):
    """No usable face, box or landmarks."""


class CheckpointError(XDubError):
    """A model file is not what it should be."""


class MissingModelError(XDubError):
    """A model file or an optional package that is needed is not there."""


class SettingsError(XDubError):
    """A setting is out of range, or settings contradict each other."""


class SamplingError(XDubError):
    """The model produced unusable numbers (NaN or infinity), or was given tensors of wrong sizes."""


class NotFiniteError(SamplingError):
    """The model produced NaN or infinity: with other noise it may not."""


class JobError(XDubError):
    """A job's folder cannot be used: it is another's, in use, or no job's at all."""
