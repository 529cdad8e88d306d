"""Starts the host: `python -I __main__.py FD`, where FD is the socket that leads to the controller.

Run as a file, so that it works wherever the package lies. Its folder of packages is taken off `sys.path`
again before any student's code is loaded.
"""

from __future__ import annotations

import os
import sys

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

if __name__ == "__main__":
    sys.path.insert(0, _ROOT)
    from grader.agent.host import serve

    sys.path.remove(_ROOT)
    serve(int(sys.argv[1]))
