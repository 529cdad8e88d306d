"""The model of sockets: what a correct socket does, as tables of states. No I/O, no threads, no clock.

It reads in this order:

* `states`: the tables, with the clause behind every row;
* `sockets`: what all sockets have, and how a call waits;
* `streams`, `messages`: bytes in order, and messages with boundaries;
* `names`, `ports`, `files`: how sockets are found;
* `internet`, `tcp`, `udp`: the Internet domains; `local`, `local_datagrams`: AF_UNIX;
* `options`, `readiness`: asking a socket, and waiting for several;
* `descriptors`, `system`: processes and their calls, calls that wait, and time.

`Process.call` gives the result fields of a call as a dict, a `Refused`, or a `Parked` for a call that would wait.
What the model does not imitate it refuses with `NotModelledError`; it never approximates.
"""

from reference.descriptors import Process
from reference.errors import Error, NotModelledError, Refused
from reference.names import Inet, Name, Unix
from reference.sockets import Parked
from reference.system import PARTS, System

__all__ = ["PARTS", "Error", "Inet", "Name", "NotModelledError", "Parked", "Process", "Refused", "System", "Unix"]
