"""What Google refuses in a request: the shape of its messages, then the sense of contents, tools and configuration."""
