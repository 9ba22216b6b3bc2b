"""Pages in and tools out: fetch, clean, index, search, visit."""
