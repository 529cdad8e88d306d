"""Ways to reach an implementation of sockets, all behind one Protocol (`targets.protocol`)."""
