"""Errors that end a training for a reason that the user can act on."""


class TrainingError(RuntimeError):
    """The training cannot continue; the message says why and what to do."""


class NonFiniteLossError(TrainingError):
    """The loss is infinite or NaN; the message names the clips of the batch."""


class LostProcessError(TrainingError):
    """Another process of the run crashed, or did not answer in time."""


class RunFolderError(TrainingError):
    """The run's folder cannot be written or read; the message says why, and names the last good checkpoint."""
