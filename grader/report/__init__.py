"""Results to text, one `to_*` module for each form; the same results give the same bytes."""
