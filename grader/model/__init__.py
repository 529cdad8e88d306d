"""The nouns: frozen values and enums that every room may know; nothing in here acts."""
