"""What runs behind the wall beside a student's code: standard library only, and nothing else of ours."""
