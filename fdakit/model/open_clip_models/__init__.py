"""Models of open_clip as encoders: found by name, folder or hub, built, loaded, and their tokenisers."""
