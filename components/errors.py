"""The one exception that a user is meant to read."""

from __future__ import annotations


class UserError(ValueError):
    """A mistake in the user's input, said in one sentence.

    Args:
        what: what is wrong, e.g. ``"the embedding of row 'a17' has 3 NaN values"``.
        where: file, key path or row id; empty if ``what`` says it.
        do: what the user should do about it.
    """

    def __init__(self, what: str, *, where: str = "", do: str = "") -> None:
        self.what, self.where, self.do = what, where, do
        head = f"{where}: {what}" if where else what
        super().__init__(f"{head}; {do}" if do else head)

    def __reduce__(self) -> tuple[object, ...]:  # the message must survive the way back from a worker process
        return (_rebuild, (self.what, self.where, self.do))


def _rebuild(what: str, where: str, do: str) -> UserError:
    return UserError(what, where=where, do=do)
