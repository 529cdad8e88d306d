"""Time passes here: a case is run against a target and what was seen is written down.

`machine` holds the rules (events in, commands out, no I/O), `composites` the calls made of calls,
`loop` is the one place that waits. Nothing in here judges.
"""
