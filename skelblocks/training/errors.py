"""What ends a training for a reason that the user can look into."""


class TrainingError(RuntimeError):
    """A training cannot go on; the message says why and what to do."""


class NonFiniteLossError(TrainingError):
    """The loss became infinite or not a number; the message names the samples of that batch."""


class LostProcessError(TrainingError):
    """Another process of the run has died, or has not answered in time."""


class RunFolderError(TrainingError):
    """The run's folder cannot be written or read; the message says why and where the last good checkpoint is."""
