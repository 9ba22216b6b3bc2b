"""Beyond one machine: exports to engines for many devices, a service for the tools, and what it would cost."""
