"""The exceptions whose message is for the user, one line each."""


class InputError(ValueError):
    """Raised for a wrong config, file, option or argument.

    The message is one line that names the key or file and says how to mend it. The command line
    turns it into exit code 2 and ``dnll: error: <message>``, without a traceback.
    """


class RunError(RuntimeError):
    """Raised where a run cannot go on, although what the user gave is right: a full disk, say.

    The message is one line that says what happened and what is safe. The command line turns it into
    exit code 1 and ``dnll: error: <message>``, without a traceback.
    """


class FileNotWrittenError(RunError):
    """A file could not be written; whatever was there before is intact."""
