"""The wall: namespaces, limits and looking at processes from outside."""
