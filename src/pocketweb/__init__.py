"""pocketweb: a small fictional internet on loopback, with sites, their APIs and an OpenAI-compatible endpoint."""
