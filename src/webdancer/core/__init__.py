"""What every stage shares: records, the protocol, prompts, parameters, run records."""
