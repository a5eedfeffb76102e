"""What several tests share: stand-in servers, planted leaks, a browser, event files."""
