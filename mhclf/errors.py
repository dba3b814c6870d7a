"""The exceptions of the library: each says what was wrong, where, and what to do next."""

import errno
import os
import re


class MhclfError(Exception):
    """Base of every expected error; `exit_code` is what the front doors return for it."""

    exit_code = 1


class ConfigError(MhclfError, ValueError):
    """A wrong YAML, key, option or name."""

    exit_code = 2


class DataError(MhclfError, ValueError):
    """Data that cannot be read or does not fit its YAML."""

    exit_code = 2


class MissingDependencyError(MhclfError, ImportError):
    """An optional package is needed; the message says which extra installs it."""

    exit_code = 2


class AuditError(MhclfError):
    """The audit stopped the run: a leak or a cut group."""

    exit_code = 3


class RunError(MhclfError, RuntimeError):
    """A run failed: a loss that is not finite, a locked folder, a broken file."""


class MhclfWarning(UserWarning):
    """Base of our warnings, so that they can be filtered apart from those of other packages."""


_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_CLOSED = {errno.EROFS, errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG}
_DISK = frozenset({*_FULL, *_CLOSED, errno.EIO})


def disk_fault(error: BaseException) -> str | None:
    """Return the system's words for a disk that is full, closed to us or broken, or a path that no file can have.

    Parameters
    ----------
    error : BaseException
        An `OSError`, or one of a library in Rust that has the system's number in its message.

    Returns
    -------
    str or None
        None for any other error.
    """
    number = error.errno if isinstance(error, OSError) else None
    if number is None and (found := re.search(r"\(os error (\d+)\)", str(error))):
        number = int(found[1])
    return os.strerror(number) if number in _DISK else None
