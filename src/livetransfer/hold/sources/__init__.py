"""Where hold music comes from: what may be given, fetched, decoded once, kept."""
