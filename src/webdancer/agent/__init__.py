"""Policies and those who talk to them: endpoints, local models, rollouts, judges."""
