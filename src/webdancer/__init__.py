"""webdancer: an independent, runnable reproduction of WebDancer (arXiv 2505.22648), one module a notebook."""

__version__ = "0.1.0"
