"""Long recordings: windows of them, their labels, and the way into a prepared set."""
