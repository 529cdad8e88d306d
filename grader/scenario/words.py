"""The fixed words of the language that are not operations: names, errno symbols, signals, operating systems."""

from __future__ import annotations

import re

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
REFERENCE = re.compile(r"\$([A-Za-z][A-Za-z0-9_]{0,39})(?:\.([A-Za-z][A-Za-z0-9_]{0,39}))?")
SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
SUITE = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*(?:/[a-z0-9]+(?:-[a-z0-9]+)*)*")
DOTTED = re.compile(r"[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*")
TIME = re.compile(r"([0-9]{1,9})(ms|s)")
AXIS_VALUE = re.compile(r"[a-z0-9._+]+")

# POSIX.1-2024 <errno.h>, and those of the socket interface that only some systems have.
ERRNOS = frozenset(
    """
    E2BIG EACCES EADDRINUSE EADDRNOTAVAIL EAFNOSUPPORT EAGAIN EALREADY EBADF EBADMSG EBUSY ECANCELED ECHILD
    ECONNABORTED ECONNREFUSED ECONNRESET EDEADLK EDESTADDRREQ EDOM EDQUOT EEXIST EFAULT EFBIG EHOSTUNREACH EIDRM
    EILSEQ EINPROGRESS EINTR EINVAL EIO EISCONN EISDIR ELOOP EMFILE EMLINK EMSGSIZE EMULTIHOP ENAMETOOLONG ENETDOWN
    ENETRESET ENETUNREACH ENFILE ENOBUFS ENODEV ENOENT ENOEXEC ENOLCK ENOLINK ENOMEM ENOMSG ENOPROTOOPT ENOSPC
    ENOSYS ENOTCONN ENOTDIR ENOTEMPTY ENOTRECOVERABLE ENOTSOCK ENOTSUP ENOTTY ENXIO EOPNOTSUPP EOVERFLOW EOWNERDEAD
    EPERM EPIPE EPROTO EPROTONOSUPPORT EPROTOTYPE ERANGE EROFS ESOCKTNOSUPPORT ESPIPE ESRCH ESTALE ETIMEDOUT ETXTBSY
    EWOULDBLOCK EXDEV EHOSTDOWN EPFNOSUPPORT ESHUTDOWN ETOOMANYREFS ENONET
    """.split()
)

# POSIX.1-2024 <signal.h>
SIGNALS = frozenset(
    """
    SIGABRT SIGALRM SIGBUS SIGCHLD SIGCONT SIGFPE SIGHUP SIGILL SIGINT SIGIO SIGKILL SIGPIPE SIGPOLL SIGPROF SIGQUIT
    SIGSEGV SIGSTOP SIGSYS SIGTERM SIGTRAP SIGTSTP SIGTTIN SIGTTOU SIGURG SIGUSR1 SIGUSR2 SIGVTALRM SIGXCPU SIGXFSZ
    """.split()
)

SYSTEMS = ("linux", "darwin", "freebsd", "openbsd", "netbsd", "dragonfly", "sunos", "aix", "cygwin", "win")


def system_of(platform: str) -> str:
    """Give the word for an operating system as `when: {os: ...}` uses it, from `sys.platform`."""
    return next((name for name in SYSTEMS if platform.startswith(name)), platform)
