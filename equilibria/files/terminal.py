"""Standard output and error as they are: without the letter eta, closed, full, or gone meanwhile.

What an output stream cannot encode is spelled (`eta`, `sqrt`) or escaped, never an error. Losing the
reader of a pipe ends the program as it ends others: silently, with the code 141 that a shell shows for
SIGPIPE. Any other failure to write is one line and exit code 2, as with grep and diff, whose 1 means
something else as well.
"""

from __future__ import annotations

import codecs
import errno
import os
import re
import sys
from contextlib import suppress

from equilibria.files.escaping import escape

SPELLED = {
    "μ": "mu",
    "η": "eta",
    "α": "alpha",
    "β": "beta",
    "ν": "nu",
    "Σ": "Sigma",
    "·": "-",
    "∂": "d",
    "√": "sqrt",
    "≥": ">=",
    "≤": "<=",
    "→": "->",
    "±": "+-",
    "²": "^2",
    "⊤": "^T",
    "×": "x",
}
LONGEST_WORD = 120
READER_GONE = 128 + 13  # what a shell shows for a program that SIGPIPE ended
NOT_WRITTEN = 2
STREAM_ERRORS = (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)


def plain(text: str) -> str:
    """Return the text in ASCII: Greek letters spelled, anything else escaped."""
    return text.encode("ascii", "spelled").decode("ascii")


def _spelled(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_word(c) for c in error.object[error.start : error.end]), error.end


def _word(character: str) -> str:
    escaped = character.encode("ascii", "backslashreplace").decode("ascii")
    return SPELLED.get(character, escaped)


codecs.register_error("spelled", _spelled)


def prepare() -> bool:
    """Make the streams take any text; return False when standard output is closed."""
    if sys.stderr is None:  # closed; print would go to standard output instead
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    if sys.stdout is None:
        return False
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="spelled")
    return True


def needs_ascii() -> bool:
    """Return whether standard output lacks letters that the reports use."""
    try:
        "".join(SPELLED).encode(sys.stdout.encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return True
    return False


def write_json(text: str) -> None:
    """Write JSON to standard output; what its encoding lacks is escaped as JSON escapes it."""
    encoding = sys.stdout.encoding or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        import json

        text = "".join(c if c.isascii() else json.dumps(c)[1:-1] for c in text)
    sys.stdout.write(text)


def complain(text: str) -> None:
    """Write to standard error, as far as it takes anything."""
    with suppress(OSError, ValueError):
        print(text, file=sys.stderr)


def one_line(text: str) -> str:
    """Return text fit for one line of a terminal: controls escaped, endless words shortened."""
    clean = escape(text)
    half = LONGEST_WORD // 2 - 2
    return re.sub(
        rf"\S{{{LONGEST_WORD + 1},}}", lambda word: f"{word[0][:half]}...{word[0][-half:]}", clean
    )


def output_is_lost(error: BaseException) -> bool:
    """Return whether an error is that of a stream, not of a file: the latter names its file."""
    return isinstance(error, OSError) and error.filename is None and error.errno in STREAM_ERRORS


def give_up_output(error: OSError) -> int:
    """Say, where anybody listens, that the output was lost; return the exit code."""
    try:
        # The interpreter flushes once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    if isinstance(error, BrokenPipeError):
        return READER_GONE
    complain(f"error: standard output: cannot be written ({error.strerror or 'unknown reason'})")
    return NOT_WRITTEN
