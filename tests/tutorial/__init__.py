"""What the pages in `docs/` tell a reader to do is done, as it stands there."""
