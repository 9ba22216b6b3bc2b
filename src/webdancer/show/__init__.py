"""Faces: figures, trajectories as HTML, exercise checks."""
