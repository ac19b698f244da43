"""The one exception that means: what the user gave is wrong, and here is how to mend it."""


class InputError(ValueError):
    """Raised for a wrong config, file, option or argument.

    The message is one line that names the key or file and says how to mend it. The command line
    turns it into exit code 2 and ``dnll: error: <message>``, without a traceback.
    """
