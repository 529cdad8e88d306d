"""Proof that every scenario can fail: every case on the reference, on a stub, and on references with a rule broken."""
