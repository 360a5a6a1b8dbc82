"""What can go wrong for a user: one class per exit code, each message one line."""


class StudentSearchError(Exception):
    """A user's mistake or a state of the world; the message says found, expected, what to do."""

    exit_code = 1


class ProofError(StudentSearchError):
    """A proof that guards an artifact failed: our bug, and the artifact is not written."""


class UsageError(StudentSearchError):
    """An option or argument that cannot mean anything here."""

    exit_code = 2


class UnsupportedGraphError(UsageError):
    """A network that no rule can follow; the message names the module and the operation."""


class BudgetNotReachedError(StudentSearchError):
    """A search that ended, or cannot succeed, above its budget."""

    exit_code = 3


class DivergedError(StudentSearchError):
    """A training whose loss is no longer finite or whose network answers at chance."""

    exit_code = 4


class InputFileError(StudentSearchError):
    """A file or folder given by the user that is missing, unreadable or of another form."""

    exit_code = 5


class DiskError(StudentSearchError):
    """Writing failed: no space, no permission."""

    exit_code = 6


class RunFolderError(StudentSearchError):
    """A run folder that is locked, of another configuration, or not a run folder."""

    exit_code = 7


class RunInUseError(RunFolderError):
    """A run folder that another process holds."""


class InterruptedRunError(StudentSearchError):
    """A run stopped by a signal after its checkpoint was written; exit code 128 + signal: 129, 130 or 143."""

    def __init__(self, message: str, *, signal_number: int) -> None:
        """Keep which signal ended the run.

        Args:
            message: One line that says how to continue.
            signal_number: The signal: 1 (hangup, a closed terminal), 2 (interrupt) or 15 (terminate).
        """
        super().__init__(message)
        self.exit_code = 128 + signal_number
