"""Many cases at once, on as many processes as asked for."""
