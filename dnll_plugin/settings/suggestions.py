"""What to write instead of an unknown name."""

from collections.abc import Iterable
from difflib import get_close_matches


def suggest_name(name: str, names: Iterable[str]) -> str:
    """The end of a message about an unknown name: the nearest known one, or all when few."""
    known = list(names)
    nearest = find_nearest(name, known)
    if nearest is not None:
        return f"did you mean {nearest!r}?"
    if len(known) < 40:
        return f"write one of {', '.join(sorted(known))}"
    return "none has a name like it, so remove it"


def find_nearest(name: str, names: Iterable[str], cutoff: float = 0.5) -> str | None:
    """The known name that an unknown one is most like, None if it is like none.

    Args:
        name: the unknown one.
        names: the known ones.
        cutoff: how like it is at least, from 0 to 1 (the same).
    """
    spelled = {known.lower(): known for known in names}
    found = get_close_matches(name.lower(), spelled, n=1, cutoff=cutoff)
    return spelled[found[0]] if found else None
