"""The one tree of errors. Only the command line turns them into messages and exit codes."""


class PipelineError(Exception):
    """Something the user can mend: says what, where, and what to do.

    Args:
        message: one line naming the stage and the subject ("convert: tensor 3 is float32").
        remedy: what to do about it, or None where the message already says it.
    """

    exit_code = 1

    def __init__(self, message: str, remedy: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return self.message if self.remedy is None else f"{self.message}; {self.remedy}"


class UsageError(PipelineError):
    """The command line asks for what its own words rule out."""

    exit_code = 2


class SpecError(PipelineError):
    """The experiment spec has an unknown key or a bad value."""


class DataError(PipelineError):
    """A data set cannot be had, or is not what its checksum says."""


class ModelError(PipelineError):
    """A model file cannot be read, or is not what a stage can take."""


class UnsupportedOperatorError(ModelError):
    """The AOT runtime has no kernel for an operator as the model uses it."""


class ToolError(PipelineError):
    """An external program is missing or failed."""


class DeviceError(PipelineError):
    """The device does not answer, or answers what the protocol does not allow."""


class DoesNotFitError(PipelineError):
    """The image exceeds the board's flash or RAM."""

    exit_code = 3


class OutputsDifferError(PipelineError):
    """The device's outputs are not those of the golden reference."""

    exit_code = 4
